"""Answers that are given again for a while, because finding them costs much."""

import time
from collections.abc import Callable, Hashable
from typing import Any

MOST = 100  # answers


class Remembered:
    """Answers by what was asked, the newest of them.

    Args:
        seconds: that one is remembered.
        now: the clock, in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._now = seconds, now
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, asked: Hashable) -> Any:
        """The answer, or None."""
        at, answer = self._answers.get(asked, (0.0, None))
        return answer if answer and self._now() - at < self._seconds else None

    def put(self, asked: Hashable, answer: Any) -> None:
        """Remember an answer."""
        self._answers.pop(asked, None)
        self._answers[asked] = self._now(), answer
        if len(self._answers) > MOST:
            del self._answers[next(iter(self._answers))]
