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
    """A queue: how many messages wait in it, and how many consume it."""

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
    """A message that was taken from a queue and goes back unless it is acknowledged."""

    tag: int
    id: str
    body: bytes
    headers: dict[str, object]


class Holder(Protocol):
    """A holder of messages: closing it gives them back."""

    def ack(self, tag: int) -> None:
        """Let a message go, and only this one."""


class DeadLetters:
    """The oldest dead letters, held while they are looked at.

    Attributes:
        all: what they say, the oldest first.
    """

    def __init__(
        self, held: list[Held], holder: Holder, publish: Callable[[Parcel], Awaitable[None]]
    ) -> None:
        self._held, self._holder, self._publish = held, holder, publish
        self.all = [_letter(message) for message in held]

    async def take(self, id: str, *, replay: bool) -> bool:
        """Remove a letter, after it was put into its queue once more if `replay`.

        Returns:
            Whether it was there.

        Raises:
            RequestFailed: its queue is no more.
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
    """Derive an id: the same at each look, even without a message id, and another by queue."""
    parts = held.id.encode(), queue.encode(), held.body
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def _read(body: bytes) -> tuple[dict[str, object], str]:
    """Read the first event, and the whole as readable text, without secrets."""
    try:
        contents = _without_secrets(msgspec.json.decode(body))
        text = msgspec.json.format(msgspec.json.encode(contents), indent=2).decode()
    except (ValueError, RecursionError):  # msgspec's own errors are of the former
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
