"""`memory://NAME` and `journal:///FOLDER`: a bus within one process, without or with a journal."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from weakref import WeakValueDictionary

from nochat.bus.broker import Broker, Channel, Holding
from nochat.bus.consumer import Consumer
from nochat.bus.inspection import Held, QueueState
from nochat.bus.outbox import Outbox, Parcel
from nochat.bus.routing import Queue
from nochat.errors import BusError, ConnectionLost
from nochat.protocol.envelope import new_id

# The brokers of this process, by URL.
brokers: WeakValueDictionary[str, Broker] = WeakValueDictionary()


class MemoryTransport:
    """One service's connection to the broker of this process.

    Args:
        url: `memory://NAME`, or `journal:///FOLDER`.
    """

    def __init__(self, url: str) -> None:
        self._broker = brokers.setdefault(url, Broker(_folder(url)))
        self._name = new_id()
        self._channels: dict[Consumer, Channel] = {}
        self._outbox: Outbox | None = None

    async def open(self, outbox: Outbox, on_reply: Callable[[bytes], None]) -> None:
        """Attach the outbox, and pass replies to `on_reply`.

        Raises:
            NochatError: the journal can't be used, or another process uses it.
        """
        await self._broker.open()
        self._broker.askers[self._name] = on_reply
        self._outbox = outbox
        outbox.attach(self)

    def send(self, parcel: Parcel) -> None:
        """Route a message."""
        self._broker.route(parcel, self._name if parcel.route.asks else "")

    async def declare(self, queues: Iterable[Queue]) -> None:
        """Create the queues that do not exist yet."""
        for queue in queues:
            self._broker.declare(queue)

    async def consume(self, consumer: Consumer) -> None:
        """Deliver a queue's messages to a consumer."""
        queue = self._broker.declare(consumer.queue)
        channel = self._channels[consumer] = Channel(self._broker, queue, consumer)
        consumer.opened(channel)
        queue.channels.append(channel)
        queue.deliver()

    async def cancel(self, consumer: Consumer) -> None:
        """Stop deliveries; unacknowledged messages are redelivered to other consumers."""
        channel = self._channels.pop(consumer)
        consumer.lost(ConnectionLost("the subscription was cancelled"))
        channel.queue.leave(channel)
        if channel.queue.shape.exclusive:
            del self._broker.queues[channel.queue.shape.name]

    async def drain(self, seconds: float) -> dict[str, int]:
        """Wait until all consumed queues are empty; return the messages left, by queue."""
        return await self._broker.drain(seconds)

    @property
    def lasting(self) -> bool:
        """True if the queues keep their messages until the next start."""
        return self._broker.folder is not None

    async def depths(self, queues: Iterable[Queue]) -> list[QueueState]:
        """Count the messages in queues; queues that do not exist are left out."""
        there = (self._broker.queues.get(queue.name) for queue in queues)
        return [QueueState(q.shape.name, len(q.messages), len(q.channels)) for q in there if q]

    @asynccontextmanager
    async def held(self, queue: Queue, most: int) -> AsyncIterator[tuple[list[Held], Holding]]:
        """Take up to `most` messages from a queue; those not acknowledged go back at the end."""
        holding = Holding(self._broker.declare(queue), most)
        try:
            yield holding.held, holding
        finally:
            holding.give_back()

    async def close(self) -> None:
        """Cancel all consumers, and detach from the broker."""
        if not self._outbox:
            return
        for consumer in list(self._channels):
            await self.cancel(consumer)
        self._broker.askers.pop(self._name, None)
        self._outbox.detach(ConnectionLost("the bus was closed"))
        await self._broker.close()


def _folder(url: str) -> Path | None:
    """Return the journal's folder, or None for `memory://`.

    Raises:
        BusError: the folder is not an absolute path.
    """
    parts = urlsplit(url)
    if parts.scheme != "journal":
        return None
    if parts.netloc or not parts.path.startswith("/"):
        raise BusError(f"{url!r} names no folder; write journal:///folder")
    return Path(url2pathname(parts.path))
