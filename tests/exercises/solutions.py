"""The answers that the course gives: they stand in the notebooks, and are run from there."""

from typing import Any

from nochat.lab.course import notebook, tags
from tests.conftest import ROOT


def cell(kind: str, key: str) -> Any:
    """The cell of a kind for an exercise, in its notebook."""
    (path,) = (ROOT / "notebooks").glob(f"{key[:2]}_*.ipynb")
    return tags.by_key(notebook.read(path).cells, kind)[key]


def stub(key: str) -> dict[str, Any]:
    """The names that the untouched cell of an exercise defines."""
    names: dict[str, Any] = {}
    exec(cell(tags.EXERCISE, key).source, names)
    return names


def solution(key: str) -> str:
    """The code of the folded solution."""
    return tags.solution(cell(tags.SOLUTION, key))


def solved(key: str, **given: Any) -> dict[str, Any]:
    """The names that the solution defines, for a notebook that has the given ones already."""
    names: dict[str, Any] = {**given}
    exec(solution(key), names)
    return names
