"""The program of notebook 01, and what tests put in place of a student's file of it."""

import nbformat

from nochat.lab import program
from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "01_socket_chat.ipynb"


def write_all():
    """Write the files of the notebook, without those that are left to the student."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.source.startswith("%%file"):
            write(cell.source)


def stub(key):
    """The cell that the student completes."""
    (cell,) = [
        cell
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells
        if {"exercise", key} <= {*cell.metadata.get("tags", [])}
    ]
    return cell.source


def write(cell):
    """Run a cell that begins with `%%file`; return the name of its module."""
    first, _, rest = cell.partition("\n")
    name = first.removeprefix("%%file")
    program.file(name, rest)
    return name.strip().removesuffix(".py")
