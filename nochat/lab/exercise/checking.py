"""`check`: judges an answer, and says which mistake was seen."""

import html
import time
from dataclasses import dataclass
from typing import Any

from nochat.lab.exercise import record
from nochat.lab.exercise.catalogue import Exercise, Mistake, find


@dataclass(frozen=True)
class Verdict:
    """The result of an attempt.

    Attributes:
        exercise: the exercise.
        passed: whether the answer is right.
        mistake: the code of the mistake; "" for none.
        said: what was seen, and what to think about.
        seconds: that judging took.
    """

    exercise: Exercise
    passed: bool
    mistake: str
    said: str
    seconds: float

    def __repr__(self) -> str:
        head = f"{self.exercise.key} · {self.exercise.task}"
        return f"✓ {head}" if self.passed else f"✗ {head}\n  {self.said}"

    def _repr_html_(self) -> str:
        first, _, rest = repr(self).partition("\n")
        return f"<b>{html.escape(first)}</b>" + (f"<br>{html.escape(rest)}" if rest else "")


async def check(key: str, answer: Any = None, **settings: Any) -> Verdict:
    """Judge the answer to an exercise by its effect.

    Nothing is raised for a wrong answer: the rest of the notebook runs without it.

    Args:
        key: the exercise, such as "02b".
        answer: what the exercise asks for.
        settings: what its judge needs of the notebook, such as the broker's URL.

    Raises:
        ValueError: no exercise has that key.
    """
    exercise, began = find(key), time.monotonic()
    mistake, said = "", ""
    try:
        await exercise.judge(answer, **settings)
    except Mistake as seen:
        mistake, said = seen.code, exercise.sentence(seen)
    seconds = round(time.monotonic() - began, 1)
    record.add(record.Attempt(key, not mistake, mistake, seconds))
    return Verdict(exercise, not mistake, mistake, said, seconds)
