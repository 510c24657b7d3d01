"""The program of notebook 01, and what tests put in place of a student's file of it."""

from nochat.lab import program
from nochat.lab.course import notebook, tags
from tests.conftest import ROOT
from tests.exercises.solutions import cell

NOTEBOOK = ROOT / "notebooks" / "01_socket_chat.ipynb"


def write_all():
    """Write the files of the notebook, without those that are left to the student."""
    for each in notebook.read(NOTEBOOK).cells:
        if each.source.startswith("%%file"):
            write(each.source)


def stub(key):
    """The source of the cell that the student completes."""
    return cell(tags.EXERCISE, key).source


def write(source):
    """Run a cell that begins with `%%file`; return the name of its module."""
    first, _, rest = source.partition("\n")
    name = first.removeprefix("%%file")
    program.file(name, rest)
    return name.strip().removesuffix(".py")
