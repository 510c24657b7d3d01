"""The answers that the course gives: they stand in the notebooks, and are run from there."""

import re
from typing import Any

import nbformat

from tests.conftest import ROOT

CODE = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def _cell(kind: str, key: str) -> str:
    """The source of the cell with a kind and a key as its tags."""
    (path,) = (ROOT / "notebooks").glob(f"{key[:2]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if {kind, key} <= {*cell.metadata.get("tags", [])}]
    return str(cell.source)


def stub(key: str) -> dict[str, Any]:
    """What the untouched cell of an exercise defines."""
    names: dict[str, Any] = {}
    exec(_cell("exercise", key), names)
    return names


def solution(key: str) -> str:
    """The code of the folded solution: the cell with the tags `solution` and the key."""
    return "\n".join(CODE.findall(_cell("solution", key)))


def solved(key: str, **given: Any) -> dict[str, Any]:
    """What the solution defines, for a notebook that has the given names already."""
    names: dict[str, Any] = {**given}
    exec(solution(key), names)
    return names
