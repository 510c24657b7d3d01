"""The submitted notebooks in a folder, and the answers in them."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nochat.lab.course import tags

MOST_BYTES = 10_000_000
_NUMBER = re.compile(r"\d\d")


@dataclass(frozen=True)
class Submission:
    """One submitted file.

    Attributes:
        student: the folder's name, or what stands before the notebook's name.
        path: the file.
        notebook: the master's name without its ending; "" if there is none.
        answers: the code of each exercise.
        problem: why it can't be graded; "" if it can.
    """

    student: str
    path: Path
    notebook: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def find(folder: Path, masters: Mapping[str, Any]) -> list[Submission]:
    """Return the submissions in a folder.

    They are FOLDER/STUDENT/NOTEBOOK.ipynb or FOLDER/STUDENT_NOTEBOOK.ipynb.

    Args:
        folder: the folder.
        masters: the masters' notebooks by name.
    """
    return [_read(student, path, masters) for student, path in _files(folder)]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            inside = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
            yield from ((path.name, file) for file in inside or [path])
        else:
            yield "", path


def _read(student: str, path: Path, masters: Mapping[str, Any]) -> Submission:
    try:
        content = _content(path)
        cells = [cell for cell in content["cells"] if isinstance(cell, dict)]
        answers = _answers(cells)
        name = _name(path.stem, answers, masters)
    except (OSError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        named = next((name for name in masters if path.stem.endswith(name)), "")
        problem = str(error) if isinstance(error, _Refused) else f"{path.name} is not a notebook"
        return Submission(student or _before(path.stem, named), path, named, {}, problem)
    student = student or _before(path.stem, name)
    if not name:
        known = ", ".join(masters)
        return Submission(student, path, problem=f"no notebook fits it; there are: {known}")
    answers = _with_ids(cells, masters[name], answers)
    wanted = tags.by_key(masters[name].cells, tags.EXERCISE)
    return Submission(student, path, name, {k: v for k, v in answers.items() if k in wanted})


class _Refused(ValueError):
    """A file that is not read; the message says why."""


def _content(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise _Refused(f"the folder {path.name} is empty")
    if path.suffix != ".ipynb":
        raise _Refused(f"{path.name} does not end in .ipynb")
    # A link could name any file of the teacher, and a pipe would never end.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        read = file.read(MOST_BYTES + 1)
    if len(read) > MOST_BYTES:
        raise _Refused(f"{path.name} has more than {MOST_BYTES // 1_000_000} MB")
    return dict(json.loads(read))


def _answers(cells: Sequence[Any]) -> dict[str, str]:
    """Return the code of the cells with a key, together: parts of a split cell keep its tags."""
    answers: dict[str, list[str]] = {}
    for cell in cells:
        if cell.get("cell_type") == "code" and (key := tags.key_of(cell, tags.EXERCISE)):
            answers.setdefault(key, []).append(tags.text(cell))
    return {key: "\n".join(parts) for key, parts in answers.items()}


def _with_ids(cells: Sequence[Any], master: Any, answers: Mapping[str, str]) -> dict[str, str]:
    """Add the answers whose cells have lost their tags and kept their ids."""
    by_id = {cell.get("id"): cell for cell in cells if cell.get("cell_type") == "code"}
    kept = {
        key: tags.text(by_id[cell.id])
        for key, cell in tags.by_key(master.cells, tags.EXERCISE).items()
        if cell.id in by_id
    }
    return {**kept, **answers}


def _name(stem: str, answers: Mapping[str, str], masters: Mapping[str, Any]) -> str:
    """Return the master of a file: by its name, else by the keys of its exercises."""
    for name in masters:
        if stem == name or stem.endswith(f"_{name}"):
            return name
    numbers = {key[:2] for key in answers} or set(_NUMBER.findall(stem)[:1])
    fitting = [name for name in masters if name[:2] in numbers]
    return fitting[0] if len(fitting) == 1 else ""


def _before(stem: str, name: str) -> str:
    return stem.removesuffix(name).rstrip("_") or stem
