"""Detection of poison messages, which crash a service, without blaming their neighbours.

The broker's count of deliveries does not prove a poison message: a service may have stopped, its
store may be unreachable, or another message may have crashed it. So that count alone dead-letters
no message. Past `SUSPECT` deliveries a message is handled alone, and each attempt is stored before
it starts and removed after it ends: the attempts that remain are crashes.
"""

import hashlib
from typing import Protocol

SUSPECT = 5  # earlier deliveries after which a message is handled alone
MOST_CRASHES = 3  # of the service while it handles one message alone


class AttemptLog(Protocol):
    """A log of attempts that is stored outside of the process, and so survives a crash."""

    async def attempts(self, key: str) -> int:
        """Return how many attempts at a message ended in a crash."""

    async def set_attempts(self, key: str, count: int) -> None:
        """Store the number of attempts at a message that ended in a crash."""


class Suspects:
    """The suspects of one queue."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._survived: dict[str, int] = {}  # attempts that did not crash, but are still in the log

    def key(self, body: bytes) -> str:
        """Return the key of a message."""
        return hashlib.sha256(self._queue.encode() + b"\0" + body).hexdigest()[:32]

    async def crashes(self, key: str, notes: AttemptLog) -> int:
        """Return how many attempts at a message ended in a crash."""
        noted = await notes.attempts(key)
        return max(0, noted - self._survived.get(key, 0))

    async def begin(self, key: str, notes: AttemptLog, crashes: int) -> None:
        """Log the start of an attempt at a message, beside the attempts that ended in a crash."""
        await notes.set_attempts(key, crashes + 1)
        self._survived[key] = 1

    async def end(self, key: str, notes: AttemptLog, crashes: int) -> None:
        """Remove the attempt from the log: it did not end in a crash."""
        await notes.set_attempts(key, crashes)
        self._survived.pop(key, None)
