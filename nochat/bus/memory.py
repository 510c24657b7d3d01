"""`memory://`: exchanges and queues of one process, with the broker's promises but its disk."""

import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from weakref import WeakValueDictionary

from nochat.bus.consumer import PREFETCH, Consumer, Delivery
from nochat.bus.inspection import Held, QueueState
from nochat.bus.outbox import Outbox, Parcel
from nochat.bus.routing import DEAD, DEFAULT, EXCHANGES, Queue
from nochat.errors import ConnectionLost, Unroutable
from nochat.events import new_id

DELIVERY_LIMIT = 5


@dataclass
class Message:
    """A message in a queue; `tries` counts the deliveries that nobody acknowledged."""

    body: bytes
    id: str = ""
    reply_to: str = ""
    expires: float = float("inf")
    headers: dict[str, str] = field(default_factory=dict)
    tries: int = 0


@dataclass(eq=False)
class Channel:
    """A consumer's channel: what it was given and has not acknowledged."""

    broker: "Broker"
    queue: "MemoryQueue"
    consumer: Consumer
    unacked: dict[int, Message] = field(default_factory=dict)
    last_tag: int = 0

    def send(self, parcel: Parcel) -> None:
        """Route a message."""
        self.broker.route(parcel)

    def ack(self, tag: int) -> None:
        """Acknowledge this delivery and all before it."""
        for each in [each for each in self.unacked if each <= tag]:
            del self.unacked[each]
        self.queue.deliver()

    def nack(self, tag: int) -> None:
        """Give this delivery and all before it back to the queue."""
        given = [each for each in self.unacked if each <= tag]
        self.queue.take_back([self.unacked.pop(each) for each in given])

    def give(self, message: Message) -> None:
        """Hand a message to the consumer."""
        self.last_tag += 1
        self.unacked[self.last_tag] = message
        self.consumer.received(Delivery(self.last_tag, message.body, message.reply_to))


@dataclass(eq=False)
class MemoryQueue:
    """A queue and its consumers."""

    shape: Queue
    broker: "Broker"
    messages: deque[Message] = field(default_factory=deque)
    channels: list[Channel] = field(default_factory=list)

    def put(self, message: Message) -> None:
        """Take a message."""
        self.messages.append(message)
        self.deliver()

    def deliver(self) -> None:
        """Hand out what may be handed out, to each consumer in turn."""
        while self.messages:
            active = self.channels[:1] if self.shape.single else self.channels
            free = [channel for channel in active if len(channel.unacked) < PREFETCH]
            if not free:
                return
            message = self.messages.popleft()
            if message.expires > time.monotonic():
                self._next(free).give(message)

    def _next(self, free: list[Channel]) -> Channel:
        """The consumer whose turn it is."""
        if not self.shape.single:
            self.channels.remove(free[0])
            self.channels.append(free[0])
        return free[0]

    def leave(self, channel: Channel) -> None:
        """A consumer is gone."""
        self.channels.remove(channel)
        self.take_back(list(channel.unacked.values()))

    def take_back(self, messages: list[Message]) -> None:
        """Put what was not acknowledged to the front again, or to the dead letters."""
        for message in reversed(messages):
            message.tries += 1
            if message.tries > DELIVERY_LIMIT:
                message.headers = {
                    "x-first-death-reason": "delivery_limit",
                    "x-first-death-queue": self.shape.name,
                }
                self.broker.spread(DEAD, "", message)
            else:
                self.messages.appendleft(message)
        self.deliver()


class Broker:
    """The exchanges and queues behind all the buses of one `memory://` name."""

    def __init__(self) -> None:
        self.queues: dict[str, MemoryQueue] = {}
        self.askers: dict[str, Callable[[bytes], None]] = {}

    def declare(self, queue: Queue) -> MemoryQueue:
        """The queue of that name, made if it is not there."""
        return self.queues.setdefault(queue.name, MemoryQueue(queue, self))

    def route(self, parcel: Parcel, reply_to: str = "") -> None:
        """Put a message into the queues that take it, and confirm."""
        exchange, key = parcel.route.exchange, parcel.route.key
        expires = time.monotonic() + parcel.expiration if parcel.expiration else float("inf")
        message = Message(parcel.body, parcel.id, reply_to, expires, parcel.headers)
        if exchange == DEFAULT and key in self.askers:
            self.askers[key](message.body)
        elif not self.spread(exchange, key, message) and parcel.route.mandatory:
            parcel.failed(Unroutable(f"no queue takes {key!r}: start the service that should"))
        parcel.confirmed()

    def spread(self, exchange: str, key: str, message: Message) -> int:
        """Put a copy of a message into each queue that takes it; how many do."""
        takers = [q for q in self.queues.values() if _takes(q.shape, exchange, key)]
        for queue in takers:
            queue.put(replace(message, tries=0))
        return len(takers)


def _takes(queue: Queue, exchange: str, key: str) -> bool:
    if exchange == DEFAULT:
        return key == queue.name
    keys = (binding.key for binding in queue.bindings if binding.exchange == exchange)
    if EXCHANGES[exchange] == "topic":
        return any(_pattern(pattern).fullmatch(key) for pattern in keys)
    return (EXCHANGES[exchange] == "fanout" and any(True for _ in keys)) or key in keys


@cache
def _pattern(key: str) -> re.Pattern[str]:
    """A topic exchange's binding key: `*` is one word, `#` any number of them."""
    parts = {"*": r"[^.]+", "#": r".*"}
    return re.compile(r"\.".join(parts.get(word, re.escape(word)) for word in key.split(".")))


class Holding:
    """Messages that were taken out of a queue to be looked at."""

    def __init__(self, queue: MemoryQueue, most: int) -> None:
        self._queue = queue
        count = min(most, len(queue.messages))
        self._messages = {tag: queue.messages.popleft() for tag in range(count)}
        self.held = [
            Held(tag, each.id, each.body, dict(each.headers))
            for tag, each in self._messages.items()
        ]

    def ack(self, tag: int) -> None:
        """Let a message go."""
        del self._messages[tag]

    def give_back(self) -> None:
        """Put the others to the front again."""
        self._queue.messages.extendleft(reversed(self._messages.values()))
        self._queue.deliver()


_brokers: WeakValueDictionary[str, Broker] = WeakValueDictionary()


class MemoryTransport:
    """One service's connection to the broker of this process."""

    def __init__(self, url: str) -> None:
        self._broker = _brokers.setdefault(url, Broker())
        self._name = new_id()
        self._channels: dict[Consumer, Channel] = {}
        self._outbox: Outbox | None = None

    async def open(self, outbox: Outbox, on_reply: Callable[[bytes], None]) -> None:
        """Send what the outbox gathers; hand over the replies."""
        self._broker.askers[self._name] = on_reply
        self._outbox = outbox
        outbox.attach(self)

    def send(self, parcel: Parcel) -> None:
        """Route a message."""
        self._broker.route(parcel, self._name if parcel.route.asks else "")

    async def declare(self, queues: Iterable[Queue]) -> None:
        """Make the queues that are not there yet."""
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
        """Stop delivering; what was not acknowledged is delivered to others."""
        channel = self._channels.pop(consumer)
        consumer.lost(ConnectionLost("the subscription was cancelled"))
        channel.queue.leave(channel)
        if channel.queue.shape.exclusive:
            del self._broker.queues[channel.queue.shape.name]

    async def depths(self, queues: Iterable[Queue]) -> list[QueueState]:
        """How full the queues are; those that are not there are left out."""
        there = (self._broker.queues.get(queue.name) for queue in queues)
        return [QueueState(q.shape.name, len(q.messages), len(q.channels)) for q in there if q]

    @asynccontextmanager
    async def held(self, queue: Queue, most: int) -> AsyncIterator[tuple[list[Held], "Holding"]]:
        """Take up to `most` messages from a queue; those not acknowledged go back at the end."""
        holding = Holding(self._broker.declare(queue), most)
        try:
            yield holding.held, holding
        finally:
            holding.give_back()

    async def close(self) -> None:
        """Cancel everything."""
        for consumer in list(self._channels):
            await self.cancel(consumer)
        self._broker.askers.pop(self._name, None)
        if self._outbox:
            self._outbox.detach(ConnectionLost("the bus was closed"))
