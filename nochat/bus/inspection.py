"""The operator's view of the broker: the depths of the queues, and the dead letters."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from nochat.bus.outbox import Parcel
from nochat.bus.routing import DEFAULT, Route
from nochat.errors import RequestFailed, Unroutable
from nochat.protocol import reasons
from nochat.protocol.envelope import Envelope

MOST_SHOWN = 2000  # characters of a dead letter's content


class QueueState(msgspec.Struct, frozen=True):
    """The number of messages and consumers of a queue."""

    name: str
    messages: int
    consumers: int


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter: its queue, the reason, and its content without secrets."""

    id: str
    queue: str
    reason: str
    type: str
    at: float
    content: str


@dataclass(frozen=True)
class Held:
    """A message that was taken from a queue, and is requeued unless it is acknowledged."""

    tag: int
    id: str
    body: bytes
    headers: dict[str, object]


class Holder(Protocol):
    """A holder of messages that were taken from a queue."""

    def ack(self, tag: int) -> None:
        """Acknowledge one message, and no other."""


class DeadLetters:
    """The oldest dead letters, held while an operator inspects them.

    Attributes:
        all: the dead letters, oldest first.
    """

    def __init__(
        self, held: list[Held], holder: Holder, publish: Callable[[Parcel], Awaitable[None]]
    ) -> None:
        self._held, self._holder, self._publish = held, holder, publish
        self.all = [_letter(message) for message in held]

    async def take(self, id: str, *, replay: bool) -> bool:
        """Remove a dead letter; with `replay`, requeue it first.

        Returns:
            Whether the dead letter was found.

        Raises:
            RequestFailed: its queue no longer exists.
        """
        for held, letter in zip(self._held, self.all, strict=True):
            if letter.id == id:
                if replay:
                    await self._replay(held, letter.queue)
                self._holder.ack(held.tag)
                return True
        return False

    async def _replay(self, held: Held, queue: str) -> None:
        try:
            await self._publish(Parcel(Route(DEFAULT, queue, mandatory=True), raw=held.body))
        except Unroutable:
            raise RequestFailed(reasons.letter_queue()) from None


def _letter(held: Held) -> DeadLetter:
    headers = held.headers
    queue = str(headers.get("x-nochat-queue") or headers.get("x-first-death-queue", ""))
    said, content = _read(held.body)
    at = said.get("at")
    return DeadLetter(
        _id(held, queue),
        queue,
        str(headers.get("x-nochat-reason") or headers.get("x-first-death-reason", "")),
        str(said.get("type", "")),
        float(at) if isinstance(at, int | float) and 0 <= at < 2**53 else 0.0,
        content if len(content) <= MOST_SHOWN else f"{content[:MOST_SHOWN]}…",
    )


def _id(held: Held, queue: str) -> str:
    """Derive an id that stays the same between calls, even without a message id, and per queue."""
    parts = held.id.encode(), queue.encode(), held.body
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def _read(body: bytes) -> tuple[dict[str, object], str]:
    """Return the first event of a body, and the whole body as readable text, without secrets."""
    try:
        contents = _without_secrets(msgspec.json.decode(body))
        text = msgspec.json.format(msgspec.json.encode(contents), indent=2).decode()
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return {}, body.decode(errors="replace")
    first = contents[0] if isinstance(contents, list) and contents else contents
    return first if isinstance(first, dict) else {}, text


def _without_secrets(value: object) -> object:
    match value:
        case dict():
            return {
                name: "…" if name in Envelope.secret else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value
