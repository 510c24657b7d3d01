"""Hints in a notebook's errors: which cell to run first, or that a word needs quotes.

Call `hints.on()` in a notebook. As Python's startup file (`PYTHONSTARTUP`), this module is active
from the first cell that runs.
"""

import ast
import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from IPython.core.getipython import get_ipython

HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
INTERRUPTED = "this cell was interrupted; everything else continues. Run it again when you like."
NO_CELL = (
    "No cell makes `{name}`. Is it spelled as you mean it? If you mean the word itself, and not a "
    'variable, write it in quotes: "{name}".'
)
IN_ORDER = "Run the cells above this one, in order: Run > Run All Above Selected Cell."


def on() -> None:
    """Add the hint to each error about a name that is not defined yet, and to an interrupt."""
    if shell := get_ipython():
        kinds = (NameError, asyncio.CancelledError)
        shell.set_custom_exc(kinds, _explain)  # type: ignore[no-untyped-call]


def hint(name: str, notebook: Path | None) -> str:
    """Return a hint at the cell that defines a name, or at what else it may be.

    Args:
        name: the name that is not defined.
        notebook: the notebook's file; None if it is not known.
    """
    if notebook is None or not notebook.is_file():
        return IN_ORDER
    for heading, source in _code_cells(notebook):
        if line := _made_by(source).get(name):
            return (
                f"`{name}` is made in the cell under “{heading}” that has the line\n"
                f"    {line}\n{IN_ORDER}"
            )
    return NO_CELL.format(name=name)


def _explain(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    tb_offset: Any = None,
) -> None:
    path = os.environ.get("JPY_SESSION_NAME")
    if not isinstance(error, NameError):
        error.args = (INTERRUPTED,)
    elif error.name and (advice := hint(error.name, Path(path) if path else None)):
        error.args = (f"{error}.\n{advice}",)
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _code_cells(notebook: Path) -> Iterator[tuple[str, str]]:
    heading = "the top"
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (HEADING.findall(source) or [heading])[-1]
        elif cell["cell_type"] == "code" and not source.startswith("%%"):
            yield heading, source


def _made_by(source: str) -> dict[str, str]:
    """Return the names that a cell defines at its top level, each with its line."""
    # Magics become empty lines, to keep the line numbers.
    source = re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    lines = source.splitlines()
    return {
        name: lines[statement.lineno - 1]
        for statement in reversed(tree.body)
        for name in _bound(statement)
    }


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


if __name__ == "__main__":
    on()
