"""The tags of a master's cells: what a cell is, and the key of its exercise.

- `exercise`, key: code that the student completes;
- `check`, key: code whose last expression judges it;
- `solution`, key: text with the folded solution, one block of Python;
- `hidden`, key: code that judges once more, in `nochat grade` alone; `answer` is the student's;
- `judge`: code that declares exercises of this notebook, for `nochat grade` too;
- `teacher`: notes for the teacher's edition.
"""

import re
from collections.abc import Sequence
from typing import Any

from nochat.lab.errors import CourseError

EXERCISE, CHECK, SOLUTION = "exercise", "check", "solution"
HIDDEN, JUDGE, TEACHER = "hidden", "judge", "teacher"

_KEY = re.compile(r"\d\d[a-z]\d*")
_CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tags(cell: Any) -> set[str]:
    """Return a cell's tags."""
    return set(cell.get("metadata", {}).get("tags", []))


def key_of(cell: Any, kind: str) -> str:
    """Return the key of a cell of this kind; "" for another cell."""
    found = tags(cell)
    return next(filter(_KEY.fullmatch, sorted(found)), "") if kind in found else ""


def by_key(cells: Sequence[Any], kind: str) -> dict[str, Any]:
    """Return the cells of a kind by their keys, in order.

    Raises:
        CourseError: two cells have the same key, or one has none.
    """
    found: dict[str, Any] = {}
    for cell in cells:
        if kind not in tags(cell):
            continue
        key = key_of(cell, kind)
        if not key or key in found:
            problem = f"has the key {key} a second time" if key else "has no key, such as 02b"
            raise CourseError(f"the cell {cell.get('id')!r}, tagged {kind!r}, {problem}")
        found[key] = cell
    return found


def text(cell: Any) -> str:
    """Return a cell's source, which a file may hold as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(map(str, source))


def solution(cell: Any) -> str:
    """Return the code of a folded solution.

    Raises:
        CourseError: it has none, or several blocks.
    """
    blocks = _CODE.findall(text(cell))
    if len(blocks) != 1:
        raise CourseError(
            f"the solution {cell.get('id')!r} has {len(blocks)} blocks of Python; write one"
        )
    return str(blocks[0]).rstrip("\n")
