"""The bus: publish with confirm, subscribe with acknowledgement, request and reply.

`connect("memory://")`, `connect("journal:///…")` and `connect("amqp://…")` give the same bus: only
the URL changes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, Self, cast
from urllib.parse import urlsplit

import msgspec

from nochat.bus.codec import Decoder, encode, head
from nochat.bus.consumer import Batch, Consumer, Handler
from nochat.bus.counters import Tally
from nochat.bus.inspection import DeadLetters, Held, Holder, QueueState
from nochat.bus.memory import MemoryTransport
from nochat.bus.outbox import Outbox, Parcel
from nochat.bus.routing import DEAD_LETTERS, Binding, Queue, route
from nochat.bus.tracing import trace
from nochat.errors import BusError, Busy, RequestFailed, Unavailable
from nochat.protocol import reasons
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import Answer, Failed, Reply, Request, reply_of
from nochat.runtime.background import end

__all__ = ["Batch", "Binding", "Bus", "Queue", "connect"]

log = logging.getLogger(__name__)

DRAIN = 10.0  # seconds that a handler may take to finish its batch when its subscription ends


class Transport(Protocol):
    """The carrier of messages: the memory of this process, or RabbitMQ."""

    async def open(self, outbox: Outbox, on_reply: Callable[[bytes], None]) -> None: ...
    async def declare(self, queues: Iterable[Queue]) -> None: ...
    async def consume(self, consumer: Consumer) -> None: ...
    async def cancel(self, consumer: Consumer) -> None: ...
    async def drain(self, seconds: float) -> dict[str, int]: ...
    @property
    def lasting(self) -> bool: ...
    async def depths(self, queues: Iterable[Queue]) -> list[QueueState]: ...
    def held(
        self, queue: Queue, most: int
    ) -> AbstractAsyncContextManager[tuple[list[Held], Holder]]: ...
    async def close(self) -> None: ...


class Subscription:
    """A handler that gets a queue's batches until it is cancelled."""

    def __init__(
        self, transport: Transport, consumer: Consumer, failed: Callable[[BaseException], None]
    ) -> None:
        self._transport, self._consumer, self._failed = transport, consumer, failed
        self._task = asyncio.create_task(consumer.run(), name=f"consume {consumer.queue.name}")
        self._task.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        """True while the queue is being consumed."""
        return self._consumer.link is not None and not self._task.done()

    async def cancel(self) -> None:
        """Stop after the batch in hand, within `DRAIN`; the rest goes back to the queue."""
        # The channel stays open until then and keeps receiving deliveries: if it cancelled the
        # consumer now, the broker would activate a stand-by while this batch is still in hand.
        self._consumer.stop()
        try:
            await asyncio.wait([self._task], timeout=DRAIN)
        finally:
            with suppress(Exception):  # `_ended` has reported it
                await end(self._task)
            await self._transport.cancel(self._consumer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._failed(error)


class Bus:
    """A service's connection to all the others: made by `connect`, opened by `async with`.

    Attributes:
        name: the publisher's name.
        tally: counts of the messages that go through the bus.
        failed: called when a handler says that its service must stop.
        subscriptions: the last subscription to each queue, also if it has ended.
    """

    def __init__(self, transport: Transport, name: str, shards: int) -> None:
        self.name, self._transport, self._shards = name, transport, shards
        self.tally = Tally(name)
        self._outbox = Outbox(
            resend=True, lost=self._unanswered, confirmed=self.tally.note_published
        )
        self._asked: dict[str, asyncio.Future[Reply]] = {}
        self._holding = asyncio.Lock()  # two calls at once would each see only a part
        self._decode = Decoder()
        self.failed: Callable[[BaseException], None] = lambda _: None
        self.subscriptions: dict[str, Subscription] = {}

    @property
    def connected(self) -> bool:
        """True while the broker can be reached; until then, published messages wait."""
        return self._outbox.attached

    async def __aenter__(self) -> Self:
        await self._transport.open(self._outbox, self._on_reply)
        await self._transport.declare([DEAD_LETTERS])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()
        for asked in self._asked.values():
            asked.cancel()

    async def declare(self, *queues: Queue) -> None:
        """Declare queues that others will consume, so that messages published now wait for them."""
        await self._transport.declare(queues)

    async def publish(self, *envelopes: Envelope) -> None:
        """Publish commands and events; return when the broker has confirmed all of them.

        Messages not confirmed when the connection breaks are published again on the next one.

        Raises:
            Unroutable: a command that no queue takes.
            BusError: the broker refused.
        """
        for confirm in {self.send(envelope) for envelope in envelopes}:
            await asyncio.shield(confirm)

    def send(self, envelope: Envelope) -> asyncio.Future[None]:
        """Publish as `publish` does; the future is done when the broker has confirmed it.

        Those that travel together share the future: nobody may cancel it.
        """
        trace(self.name, published=(envelope,))
        return self._outbox.put(envelope, route(envelope, self._shards))

    async def request(self, request: Request[Answer], timeout: float | None = None) -> Answer:
        """Send a request to a service; return its reply, of the type that the request names.

        Args:
            request: the request.
            timeout: seconds to wait; the request itself expires then, too. None: its `patience`.

        Raises:
            Busy: the service has too much to do.
            Unavailable: no answer in time, or the service says to try again later.
            RequestFailed: the service refused, with its reason, or its reply is of another type.
        """
        timeout = request.patience if timeout is None else timeout
        now = time.time()
        request = msgspec.structs.replace(request, at=now, expires=now + timeout)
        trace(self.name, published=[request])
        answer = self._asked[request.id] = asyncio.get_running_loop().create_future()
        # An ordered request waits in a durable queue, which dead-letters expired messages.
        expiration = 0.0 if request.ordered else timeout
        parcel = Parcel(route(request, self._shards), expiration=expiration)
        parcel.add(request, encode(request))
        try:
            async with asyncio.timeout(timeout):
                await self._outbox.put_parcel(parcel)
                reply = await answer
        except TimeoutError:
            raise Unavailable(
                f"the {request.service!r} service did not answer in {timeout:g} s; is it running?",
                reasons.timed_out(request.service, timeout),
            ) from None
        except BusError as error:
            raise Unavailable(str(error), reasons.unavailable("bus")) from None
        finally:
            del self._asked[request.id]
        if isinstance(reply, Failed):
            raise _error(request, reply)
        if not isinstance(reply, reply_of(type(request))):
            kinds = type_of(type(reply)), type_of(type(request))
            text = f"{request.service!r} answered with {kinds[0]} to {kinds[1]}"
            raise RequestFailed(reasons.request_dropped(text))
        return cast("Answer", reply)

    async def drain(self, seconds: float) -> dict[str, int]:
        """Wait until queued messages are handled, if the queues end with this process.

        Returns:
            The number of messages left, by queue. A broker keeps its messages: no need to wait.
        """
        return await self._transport.drain(seconds)

    @property
    def lasting(self) -> bool:
        """True if the queues keep their messages until the next start."""
        return self._transport.lasting

    async def depths(self, queues: Iterable[Queue]) -> list[QueueState]:
        """Count the messages in queues; queues that do not exist are left out.

        Raises:
            Unavailable: the broker can't be reached now.
        """
        return await self._transport.depths(queues)

    @asynccontextmanager
    async def dead_letters(self, most: int = 1000) -> AsyncIterator[DeadLetters]:
        """Hold the oldest dead letters for inspection, until the block ends.

        Raises:
            Unavailable: the broker can't be reached now.
        """
        async with self._holding, self._transport.held(DEAD_LETTERS, most) as (held, holder):
            yield DeadLetters(held, holder, self._outbox.put_parcel)

    async def subscribe(
        self, queue: Queue, handler: Handler, on_reconnect: Callable[[], None] = lambda: None
    ) -> Subscription:
        """Consume a queue.

        Args:
            queue: declared if it does not exist.
            handler: gets one batch at a time, in the queue's order; messages that it leaves
                unacknowledged are redelivered when the subscription ends or the connection breaks.
            on_reconnect: called before the first batch of each connection.
        """
        consumer = Consumer(queue, handler, on_reconnect, self._shards, self.tally)
        await self._transport.consume(consumer)
        subscription = Subscription(self._transport, consumer, lambda error: self.failed(error))
        self.subscriptions[queue.name] = subscription
        return subscription

    def _unanswered(self, error: Exception) -> None:
        """Fail the open requests: their reply address was lost with the connection."""
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(error)
                asked.exception()  # marks it as retrieved: the request itself may fail first

    def _on_reply(self, body: bytes) -> None:
        decoded = self._decode(body)
        for reply in decoded.envelopes:
            if isinstance(reply, Reply) and (asked := self._asked.get(reply.in_reply_to)):
                _resolve(asked, reply)
        for malformed, reason in decoded.malformed:
            if asked := self._asked.get(head(malformed).in_reply_to):
                log.error("a reply to %s is malformed: %s", self.name, reason)
                _resolve(asked, Failed(**reasons.answer_unread().fields))


def _error(request: Request, failed: Failed) -> RequestFailed | Unavailable:
    reason = Reason.of(failed)
    if failed.wait:
        return Busy(reason, failed.wait)
    if failed.retry:  # its sentence may name servers: it is for the log
        part = str(reason.params.get("part", request.service))
        return Unavailable(reason.sentence, reasons.unavailable(part))
    return RequestFailed(reason)


def _resolve(asked: asyncio.Future[Reply], reply: Reply) -> None:
    if not asked.done():
        asked.set_result(reply)


def connect(url: str, name: str = "nochat", shards: int = 4) -> Bus:
    """Make the bus that a URL names, to be opened by `async with`.

    Args:
        url: `memory://NAME` (this process), `journal:///FOLDER` (this process, with confirmed
            messages on disk) or `amqp://user:password@host:port/vhost` (RabbitMQ).
        name: the publisher: AMQP's `app_id`, and the connection's name in RabbitMQ's tools.
        shards: queues that the rooms are spread over; the same for all services.

    Raises:
        BusError: the scheme is unknown, or the URL is invalid.
    """
    match urlsplit(url).scheme:
        case "memory" | "journal":
            return Bus(MemoryTransport(url), name, shards)
        case "amqp" | "amqps":
            from nochat.bus.amqp import AmqpTransport  # here, as other buses need no client of it

            return Bus(AmqpTransport(url, name), name, shards)
        case scheme:
            raise BusError(
                f"no bus for {scheme!r}; use memory:// or amqp://user:password@host/vhost"
            )
