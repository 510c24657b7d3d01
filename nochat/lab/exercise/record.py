"""A student's results, in a file of their own: one line of JSON for each attempt."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nochat.settings import Settings

VARIABLE = "NOCHAT_EXERCISES"  # names another file


@dataclass(frozen=True)
class Attempt:
    """An attempt at an exercise, or a guess.

    Attributes:
        key: the exercise or the guess.
        passed: whether the answer, or the guess, was right.
        mistake: the code of the known mistake; "" for none.
        seconds: that judging took.
        at: the time, in seconds since 1970.
        guess: whether it was a guess.
    """

    key: str
    passed: bool
    mistake: str = ""
    seconds: float = 0.0
    at: float = 0.0
    guess: bool = False


def add(attempt: Attempt) -> None:
    """Append an attempt to the student's file."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(attempt) | {"at": attempt.at or time.time()})
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def attempts() -> list[Attempt]:
    """Return all attempts in order; lines that can't be read are left out."""
    return list(_read(_path()))


def _read(path: Path) -> Iterator[Attempt]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Attempt(**json.loads(line))
        except (ValueError, TypeError):
            continue


def _path() -> Path:
    own = os.environ.get(VARIABLE)
    return Path(own).expanduser() if own else Settings().data_path / "exercises.jsonl"
