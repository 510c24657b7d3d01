"""What the tests of the bus share."""

import asyncio
from collections.abc import Callable

from nochat.bus import Batch, Binding, Queue
from nochat.bus.routing import COMMANDS, DEAD, EVENTS, REQUESTS
from nochat.protocol.commands import SendMessage
from nochat.protocol.envelope import Envelope, new_id, type_of
from nochat.protocol.events import MessageSent

PATIENCE = 20.0


def queue_of(*kinds: type[Envelope], name: str = "", **options: bool) -> Queue:
    """A queue of a name that no other test has, that takes these events."""
    bindings = tuple(Binding(EVENTS, type_of(kind)) for kind in kinds)
    return Queue(name or f"test.{new_id()}", bindings, **options)


def shard_queue_of_all(shards: int = 4) -> Queue:
    """One queue for the commands of every shard."""
    bindings = tuple(Binding(COMMANDS, f"controller.{shard}") for shard in range(shards))
    return Queue(f"test.{new_id()}", bindings)


def requests_queue(service: str) -> Queue:
    return Queue(f"test.{new_id()}", (Binding(REQUESTS, f"{service}.requests"),), durable=False)


def dead_queue() -> Queue:
    """A queue of one's own for the dead letters."""
    return Queue(f"test.{new_id()}", (Binding(DEAD, ""),), durable=False)


def message(number: int, text: str = "hello") -> MessageSent:
    return MessageSent("lobby", number, "ana", f"c{number}", text)


def command(number: int, room: str = "lobby") -> SendMessage:
    return SendMessage(room, "ana", f"c{number}", "hello")


class Seen:
    """A handler that notes what it was given, and acknowledges it unless told not to."""

    def __init__(self, *, ack: bool = True) -> None:
        self.ack = ack
        self.events: list[Envelope] = []
        self.batches: list[list[Envelope]] = []
        self._changed = asyncio.Event()

    async def __call__(self, batch: Batch) -> None:
        self.batches.append(batch.events)
        self.events += batch.events
        if self.ack:
            batch.ack()
        self._changed.set()

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.events]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def count(self, number: int) -> None:
        await self.until(lambda: len(self.events) >= number)
