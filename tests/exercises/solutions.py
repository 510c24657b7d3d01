"""The answers that the course gives: they stand in the notebooks, and are run from there."""

import re
from typing import Any

import nbformat

from tests.conftest import ROOT

CODE = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def solution(key: str) -> str:
    """The code of the folded solution: the cell with the tags `solution` and the key."""
    (path,) = (ROOT / "notebooks").glob(f"{key[:2]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if {"solution", key} <= {*cell.metadata.get("tags", [])}]
    return "\n".join(CODE.findall(cell.source))


def solved(key: str, **given: Any) -> dict[str, Any]:
    """What the solution defines, for a notebook that has the given names already."""
    names: dict[str, Any] = {**given}
    exec(solution(key), names)
    return names
