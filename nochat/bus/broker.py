"""Exchanges and queues within one process, with RabbitMQ's guarantees.

With a journal, a durable message is confirmed and delivered after it is written to disk, so
confirmed messages survive a crash. Without a journal, everything is in memory alone.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from nochat.bus.commits import Commits
from nochat.bus.consumer import PREFETCH, Consumer, Delivery
from nochat.bus.inspection import Held
from nochat.bus.journal import Attempts, Declared, Journal, PublishedMessage
from nochat.bus.outbox import Parcel
from nochat.bus.routing import DEFAULT, EXCHANGES, Queue
from nochat.errors import Unroutable
from nochat.local.owner import owned


@dataclass
class Message:
    """A message in a queue; `number` is its place in the journal, or 0 without one."""

    body: bytes
    id: str = ""
    reply_to: str = ""
    expires: float = float("inf")
    headers: dict[str, str] = field(default_factory=dict)
    number: int = 0
    crashes: int = 0
    since: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Channel:
    """A consumer's channel, with its unacknowledged messages."""

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
        done = [self.unacked.pop(earlier) for earlier in list(self.unacked) if earlier <= tag]
        self.broker.acknowledged(self.queue.shape, done)
        self.queue.deliver()

    async def attempts(self, key: str) -> int:
        """Return how many attempts at a message ended in a crash."""
        return self.broker.attempts.get(key, 0)

    async def set_attempts(self, key: str, count: int) -> None:
        """Store the number of attempts at a message that ended in a crash."""
        await self.broker.set_attempts(key, count)

    def give(self, message: Message) -> None:
        """Deliver a message to the consumer."""
        self.last_tag += 1
        self.unacked[self.last_tag] = message
        self.consumer.received(
            Delivery(self.last_tag, message.body, message.reply_to, message.crashes, message.since)
        )


@dataclass(eq=False)
class MemoryQueue:
    """A queue and its consumers."""

    shape: Queue
    broker: "Broker"
    messages: deque[Message] = field(default_factory=deque)
    channels: list[Channel] = field(default_factory=list)

    @property
    def busy(self) -> int:
        """The number of messages that are queued or unacknowledged."""
        return len(self.messages) + sum(len(channel.unacked) for channel in self.channels)

    def put(self, message: Message) -> None:
        """Append a message, and deliver it as soon as a consumer is free."""
        self.messages.append(message)
        self.deliver()

    def deliver(self) -> None:
        """Deliver messages to the consumers in turn, up to `PREFETCH` unacknowledged ones each."""
        while self.messages:
            active = self.channels[:1] if self.shape.single_active_consumer else self.channels
            free = [channel for channel in active if len(channel.unacked) < PREFETCH]
            if not free:
                return
            message = self.messages.popleft()
            if message.expires > time.monotonic():
                self._next(free).give(message)

    def _next(self, free: list[Channel]) -> Channel:
        """Choose the consumer whose turn it is."""
        if not self.shape.single_active_consumer:
            self.channels.remove(free[0])
            self.channels.append(free[0])
        return free[0]

    def leave(self, channel: Channel) -> None:
        """Remove a consumer, and requeue its unacknowledged messages at the front."""
        self.channels.remove(channel)
        self.messages.extendleft(reversed(channel.unacked.values()))
        self.deliver()


class Broker:
    """The exchanges and queues behind all the buses of one URL.

    Args:
        folder: the journal's folder, or None for a broker without a journal.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.queues: dict[str, MemoryQueue] = {}
        self.askers: dict[str, Callable[[bytes], None]] = {}
        self.attempts: dict[str, int] = {}
        self._progress = asyncio.Event()
        self._commits: Commits | None = None
        self._last = 0
        self._stack = AsyncExitStack()
        self._users = 0
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Register one more bus; the first opens the journal.

        Raises:
            NochatError: the journal can't be used, or another process uses it.
        """
        async with self._opening:
            if self._users == 0 and self.folder:
                await self._open(self.folder)
            self._users += 1

    async def close(self) -> None:
        """Unregister a bus; the last closes the journal, which keeps the messages."""
        self._users -= 1
        if self._users == 0 and self._commits:
            commits, self._commits = self._commits, None
            await commits.close()
            await self._stack.aclose()
            self.queues.clear()

    async def _open(self, folder: Path) -> None:
        await self._stack.enter_async_context(owned(folder))
        try:
            commits = Commits(Journal(folder))
            saved = await commits.open()
        except BaseException:
            await self._stack.aclose()
            raise
        self.queues = {name: MemoryQueue(queue, self) for name, queue in saved.queues.items()}
        self.attempts = dict(saved.attempts)
        for number, kept in sorted(saved.messages.items()):
            message = Message(
                kept.body, kept.id, headers=kept.headers, number=number, crashes=kept.crashes
            )
            for name in kept.queues:
                self.queues[name].messages.append(replace(message))
        self._last = max(saved.messages, default=0)
        self._commits = commits

    def declare(self, queue: Queue) -> MemoryQueue:
        """Return the queue of that name; create it if it does not exist."""
        memory_queue = self.queues.get(queue.name)
        if memory_queue is None:
            memory_queue = self.queues[queue.name] = MemoryQueue(queue, self)
        elif memory_queue.shape == queue:
            return memory_queue
        memory_queue.shape = queue
        if self._commits and queue.durable:
            self._commits.put(Declared(queue), lambda: None)
        return memory_queue

    def route(self, parcel: Parcel, reply_to: str = "") -> None:
        """Put a message into every queue with a matching binding, and confirm it."""
        exchange, key = parcel.route.exchange, parcel.route.key
        if exchange == DEFAULT and key in self.askers:
            self.askers[key](parcel.body)
            return parcel.confirmed()
        takers = [q for q in self.queues.values() if _takes(q.shape, exchange, key)]
        if not takers and parcel.route.mandatory:
            text = f"no queue takes {key!r}: start the service that should"
            return parcel.failed(Unroutable(text))
        expires = time.monotonic() + parcel.expiration if parcel.expiration else float("inf")
        message = Message(parcel.body, parcel.id, reply_to, expires, parcel.headers)

        def deliver() -> None:
            for queue in takers:
                queue.put(replace(message))
            parcel.confirmed()

        self._keep(message, takers if parcel.route.durable else [], deliver, parcel.failed)

    def _keep(
        self,
        message: Message,
        takers: list[MemoryQueue],
        deliver: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Deliver messages in order; a durable message waits until it is on disk."""
        names = [queue.shape.name for queue in takers if queue.shape.durable]
        if not self._commits:
            deliver()
        elif not names:
            self._commits.put(None, deliver)
        else:
            self._last = message.number = self._last + 1
            kept = PublishedMessage(
                message.number, names, message.id, message.headers, message.body
            )
            self._commits.put(kept, deliver, failed)

    def acknowledged(self, queue: Queue, messages: list[Message]) -> None:
        """Record that a queue's messages were acknowledged."""
        numbers = [message.number for message in messages if message.number]
        if self._commits and queue.durable and numbers:
            self._commits.acknowledge(queue.name, numbers)
        self._progress.set()

    async def set_attempts(self, key: str, count: int) -> None:
        """Store the number of attempts at a message that ended in a crash.

        Raises:
            BusError: the journal can't be written.
        """
        self.attempts[key] = count
        if self._commits:
            await self._commits.write(Attempts(key, count))

    async def drain(self, seconds: float) -> dict[str, int]:
        """Wait until all consumed queues are empty; return the messages left, by queue."""
        with_consumers = [queue for queue in self.queues.values() if queue.channels]
        try:
            async with asyncio.timeout(seconds):
                while any(queue.busy for queue in with_consumers):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass
        return {q.shape.name: q.busy for q in self.queues.values() if q.shape.durable and q.busy}


def _takes(queue: Queue, exchange: str, key: str) -> bool:
    if exchange == DEFAULT:
        return key == queue.name
    keys = (binding.key for binding in queue.bindings if binding.exchange == exchange)
    if EXCHANGES[exchange] == "topic":
        return any(_pattern(pattern).fullmatch(key) for pattern in keys)
    return (EXCHANGES[exchange] == "fanout" and any(True for _ in keys)) or key in keys


@cache
def _pattern(key: str) -> re.Pattern[str]:
    """Compile a topic exchange's binding key: `*` is one word, `#` any number of them."""
    parts = {"*": r"[^.]+", "#": r".*"}
    return re.compile(r"\.".join(parts.get(word, re.escape(word)) for word in key.split(".")))


class Holding:
    """Messages that were taken out of a queue for inspection."""

    def __init__(self, queue: MemoryQueue, most: int) -> None:
        self._queue = queue
        count = min(most, len(queue.messages))
        self._messages = {tag: queue.messages.popleft() for tag in range(count)}
        self.held = [
            Held(tag, message.id, message.body, dict(message.headers))
            for tag, message in self._messages.items()
        ]

    def ack(self, tag: int) -> None:
        """Acknowledge a message."""
        self._queue.broker.acknowledged(self._queue.shape, [self._messages.pop(tag)])

    def give_back(self) -> None:
        """Requeue the other messages at the front."""
        self._queue.messages.extendleft(reversed(self._messages.values()))
        self._queue.deliver()
