"""Messages that may be what makes a service crash: found out without blaming their neighbours.

A broker counts deliveries, but most of them end without any fault of the message: a service is
stopped, its store is away, a neighbour crashes it. So no message is given up for that count. Past
`SUSPECT` it is handled alone, and each attempt is noted before it begins and crossed out after it:
what stays noted are crashes.
"""

import hashlib
from typing import Protocol

SUSPECT = 5  # deliveries before this one, after which a message is handled alone
MOST_CRASHES = 3  # of the service, during the handling of one message alone


class AttemptLog(Protocol):
    """Notes of attempts, kept outside of the process, so that they outlive it."""

    async def attempts(self, key: str) -> int:
        """Return how many attempts at a message ended in a crash."""

    async def set_attempts(self, key: str, count: int) -> None:
        """Note it, before another attempt or after it."""


class Suspects:
    """The suspects of one queue."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._survived: dict[str, int] = {}  # attempts that we outlived, but could not cross out

    def key(self, body: bytes) -> str:
        """Return the key of a message."""
        return hashlib.sha256(self._queue.encode() + b"\0" + body).hexdigest()[:32]

    async def crashes(self, key: str, notes: AttemptLog) -> int:
        """Return how many attempts at a message ended in a crash."""
        noted = await notes.attempts(key)
        return max(0, noted - self._survived.get(key, 0))

    async def begin(self, key: str, notes: AttemptLog, crashes: int) -> None:
        """Note an attempt at a message, beside those that ended in a crash."""
        await notes.set_attempts(key, crashes + 1)
        self._survived[key] = 1

    async def end(self, key: str, notes: AttemptLog, crashes: int) -> None:
        """Cross the attempt out: it did not end in a crash, whatever else came of it."""
        await notes.set_attempts(key, crashes)
        self._survived.pop(key, None)
