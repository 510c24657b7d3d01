"""`check`: judges an answer, and says which mistake was seen."""

import asyncio
import html
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nochat.lab.exercise import elsewhere, record
from nochat.lab.exercise.catalogue import Exercise, Mistake, find

CODE = re.compile(r"`([^`\n]+)`")


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
        line, _, quoted = rest.partition("\n")  # of an error, whose columns say where it is
        said = CODE.sub(r"<code>\1</code>", html.escape(line))
        more = f"<pre>{html.escape(quoted)}</pre>" if quoted else ""
        return f"<b>{html.escape(first)}</b>" + (f"<br>{said}" if said else "") + more


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
    exercise = find(key)
    if path := elsewhere.place():
        return await _asked(path, exercise, answer, settings)
    verdict = await judged(exercise, answer, settings)
    record.add(record.Attempt(key, verdict.passed, verdict.mistake, verdict.seconds))
    return verdict


async def judged(exercise: Exercise, answer: Any, settings: Mapping[str, Any]) -> Verdict:
    """Judge an answer in this process."""
    began = time.monotonic()
    mistake, said = "", ""
    try:
        await exercise.judge(answer, **settings)
    except Mistake as seen:
        mistake, said = seen.code, exercise.sentence(seen)
    return Verdict(exercise, not mistake, mistake, said, round(time.monotonic() - began, 1))


async def _asked(
    path: str, exercise: Exercise, answer: Any, settings: Mapping[str, Any]
) -> Verdict:
    """Let the judge of `nochat grade` judge; what can't be sent there, judge here and say so."""
    kind, message = b"a", elsewhere.packed(exercise.key, answer, settings)
    if message is None:
        here = await judged(exercise, answer, settings)
        kind, message = b"v", json.dumps([exercise.key, here.passed, here.said]).encode()
    reply = await asyncio.to_thread(elsewhere.ask, path, kind, message)
    return Verdict(exercise, reply["passed"], reply["mistake"], reply["said"], reply["seconds"])
