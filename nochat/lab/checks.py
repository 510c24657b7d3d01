"""Checks of steps: one line per condition, with the value seen and advice if it fails."""

import asyncio
import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nochat.lab.errors import CheckFailed
from nochat.lab.waiting import patience


@dataclass(frozen=True)
class Condition:
    """One condition of a check."""

    what: str
    holds: bool
    seen: Any
    otherwise: str

    def line(self) -> str:
        """Return the condition as a line of text."""
        mark = "✓" if self.holds else "✗"
        seen = "" if self.seen is None else f"  (seen: {self.seen})"
        hint = "" if self.holds else f"\n    To do: {self.otherwise}"
        return f"{mark} {self.what}{seen}{hint}"


@dataclass(frozen=True)
class Report:
    """The report on a step, condition by condition."""

    step: str
    conditions: tuple[Condition, ...]

    def __repr__(self) -> str:
        return "\n".join([self.step, *(f"  {condition.line()}" for condition in self.conditions)])

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(condition.line()) for condition in self.conditions)
        return f"<b>{html.escape(self.step)}</b><br>{lines}"


def that(what: str, holds: Any, seen: Any = None, otherwise: str = "") -> Condition:
    """Return a condition.

    Args:
        what: the condition, in words.
        holds: whether it holds.
        seen: the value found, shown beside it.
        otherwise: what to try if it does not hold.
    """
    return Condition(what, bool(holds), seen, otherwise or "run the cells above again, in order")


def check(step: str, *conditions: Condition) -> Report:
    """Check a step.

    Raises:
        CheckFailed: a condition does not hold.
    """
    report = Report(step, conditions)
    if not all(condition.holds for condition in conditions):
        raise CheckFailed(f"not yet: {report!r}")
    return report


async def until(
    probe: Callable[[], Any],
    timeout: float = 10.0,
    *,
    what: str = "what this cell looks for",
    pause: float = 0.05,
) -> Any:
    """Poll a probe until its value is true or the time is up; return its last value.

    Args:
        probe: called repeatedly; may be a coroutine function.
        timeout: seconds to wait at most. A timeout is no error: use `check` on the value.
        what: what is awaited, for the notice.
        pause: seconds between two calls.
    """
    deadline = time.monotonic() + timeout
    async with patience(what, None):
        while True:
            answer = probe()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(pause)
