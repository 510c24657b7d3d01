"""The receiving end: deliveries of a queue, gathered into batches for one handler, in order."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from nochat.bus.codec import Decoder, encode, join
from nochat.bus.outbox import Link, Outbox, Parcel
from nochat.bus.routing import DEAD, DEFAULT, Queue, Route, route
from nochat.errors import ConnectionLost
from nochat.events import Envelope, type_of
from nochat.requests import Reply, Request
from nochat.tally import MALFORMED, Tally

log = logging.getLogger(__name__)

# Messages that a consumer may hold without having acknowledged them.
PREFETCH = 200


class ConsumerLink(Link, Protocol):
    """An open channel that a queue is consumed on."""

    def ack(self, tag: int) -> None:
        """Acknowledge this delivery and all before it."""

    def nack(self, tag: int) -> None:
        """Give this delivery and all before it back to the queue."""


@dataclass(frozen=True)
class Delivery:
    """A message as the broker handed it over.

    Attributes:
        tag: what it is acknowledged by.
        body: a JSON array of envelopes.
        reply_to: routing key, on the default exchange, of whoever asked.
    """

    tag: int
    body: bytes
    reply_to: str = ""


@dataclass
class Batch:
    """What arrived since the handler's last turn, to be acknowledged as a whole.

    What it publishes leaves by the channel that it came in on: if that breaks, publishing fails
    with `ConnectionLost`, as the broker then gives the same messages to another consumer, and
    two must not both decide.
    """

    events: list[Envelope]
    _tag: int
    _reply_to: dict[str, str]
    _consumer: "Consumer"
    _link: ConsumerLink

    async def publish(self, *events: Envelope) -> None:
        """Publish; returns when the broker has confirmed all.

        Raises:
            ConnectionLost: the channel broke; nothing of this batch may be acknowledged.
        """
        if not events:
            return
        self._check()
        outbox, shards = self._consumer.outbox, self._consumer.shards
        await asyncio.gather(*{outbox.put(event, route(event, shards)) for event in events})
        self._consumer.tally.note_published(events)

    def reply(self, request: Request, reply: Reply) -> None:
        """Answer a request of this batch; nothing confirms that the answer arrived."""
        if asker := self._reply_to.get(request.id):
            self._check()
            self._consumer.outbox.put(reply, Route(DEFAULT, asker, durable=False))
            self._consumer.tally.note_published([reply])

    async def dead_letter(self, event: Envelope, reason: str) -> None:
        """Set an event aside in the dead-letter queue, with the reason; then go on."""
        self._check()
        await self._consumer.set_aside(join([encode(event)]), reason, type_of(type(event)))

    async def wait(self, seconds: float) -> None:
        """Wait before another attempt, but not while the subscription is being cancelled.

        Raises:
            ConnectionLost: it is; this batch goes back to its queue.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._consumer.stopping.wait(), seconds)
            raise ConnectionLost("the subscription is being cancelled")

    def ack(self) -> None:
        """Acknowledge everything in the batch."""
        if self._consumer.link is self._link:
            self._link.ack(self._tag)

    def _check(self) -> None:
        if self._consumer.link is not self._link:
            raise ConnectionLost("the channel that these messages came by is gone")


Handler = Callable[[Batch], Awaitable[None]]


class Consumer:
    """Consumes one queue for one handler: one batch at a time, in the queue's order.

    `fresh` is called before the first batch of every channel: what the handler remembers may be
    out of date, as another consumer may have been active in between.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        fresh: Callable[[], None],
        shards: int,
        tally: Tally,
    ) -> None:
        self.queue, self.shards, self.tally = queue, shards, tally
        self.stopping = asyncio.Event()
        self.link: ConsumerLink | None = None
        self.outbox = Outbox(resend=False)
        self._handler, self._fresh = handler, fresh
        self._decode = Decoder()
        self._pending: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._is_new = False

    def opened(self, link: ConsumerLink) -> None:
        """A channel is open; deliveries follow."""
        self.link, self._is_new = link, True
        self.outbox.attach(link)

    def received(self, delivery: Delivery) -> None:
        """A message arrived."""
        self._pending.append(delivery)
        self._wake.set()

    def lost(self, error: Exception) -> None:
        """The channel is gone; the broker will deliver again what was not acknowledged."""
        self.link = None
        self._pending.clear()
        self.outbox.detach(error)

    def stop(self) -> None:
        """Let `run` end after the batch in hand; what else was delivered goes back."""
        self.stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Hand batches to the handler until told to stop."""
        while not self.stopping.is_set():
            await self._wake.wait()
            self._wake.clear()
            if not self._pending or self.link is None or self.stopping.is_set():
                continue
            if self._is_new:
                self._is_new = False
                self._fresh()
            deliveries, link = list(self._pending), self.link
            self._pending.clear()
            try:
                await self._turn(deliveries, link)
            except ConnectionLost:
                self._fresh()  # the broker delivers this batch again, here or elsewhere
            except Exception:
                log.exception("the handler of %s failed; its batch goes back", self.queue.name)
                self._fresh()
                if self.link is link:
                    link.nack(deliveries[-1].tag)

    async def _turn(self, deliveries: list[Delivery], link: ConsumerLink) -> None:
        batch = Batch([], deliveries[-1].tag, {}, self, link)
        for delivery in deliveries:
            found = self._decode(delivery.body)
            batch.events += found.envelopes
            if delivery.reply_to:
                batch._reply_to |= {e.id: delivery.reply_to for e in found.envelopes}
            for body, reason in found.malformed:
                await self.set_aside(body, reason, MALFORMED)
        await self._handler(batch)

    async def set_aside(self, body: bytes, reason: str, name: str) -> None:
        """Put a body into the dead-letter queue; returns when the broker has confirmed it."""
        headers = {"x-nochat-reason": reason, "x-nochat-queue": self.queue.name}
        await self.outbox.put_parcel(Parcel(Route(DEAD, ""), raw=body, headers=headers))
        self.tally.note_failed(name)
