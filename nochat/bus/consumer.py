"""The receiving end: a queue's deliveries, gathered into batches for one handler, in order."""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from nochat.bus.codec import Decoder, encode, head, join
from nochat.bus.counters import MALFORMED, Tally
from nochat.bus.outbox import Link, Outbox, Parcel
from nochat.bus.routing import DEAD, DEFAULT, Queue, Route, route
from nochat.bus.suspects import MOST_CRASHES, SUSPECT, AttemptLog, Suspects
from nochat.errors import BusError, ConnectionLost, Fatal, Unavailable
from nochat.protocol import reasons
from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import Command
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.requests import Failed, Reply, Request

log = logging.getLogger(__name__)

# Unacknowledged messages that a consumer may hold.
PREFETCH = 200

ATTEMPTS = 5  # at a batch whose handler fails, before its messages are handled alone
PAUSE = 0.05  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 5.0


class ConsumerLink(Link, AttemptLog, Protocol):
    """An open channel that a queue is consumed on."""

    def ack(self, tag: int) -> None:
        """Acknowledge this delivery and all before it."""


@dataclass(frozen=True)
class Delivery:
    """A message as the broker handed it over.

    Attributes:
        tag: the delivery tag, for the acknowledgement.
        body: a JSON array of envelopes.
        reply_to: the sender's routing key on the default exchange.
        returned: the number of earlier deliveries that were not acknowledged.
        since: when this process received it, by its monotonic clock.
        id: AMQP's `message_id`, for messages whose body can't be read.
    """

    tag: int
    body: bytes
    reply_to: str = ""
    returned: int = 0
    since: float = field(default_factory=time.monotonic)
    id: str = ""


@dataclass
class Batch:
    """The messages that arrived since the handler's last turn, acknowledged as a whole.

    A batch publishes on the channel that delivered it. If that channel breaks, publishing fails
    with `ConnectionLost`: the broker then redelivers the same messages to another consumer, and
    only one of the two may decide.
    """

    events: list[Envelope]
    _tag: int
    _reply_to: dict[str, str]
    _since: dict[str, float]
    _consumer: "Consumer"
    _link: ConsumerLink

    async def publish(self, *events: Envelope) -> None:
        """Publish messages; return when the broker has confirmed all of them.

        Raises:
            ConnectionLost: the channel broke; nothing of this batch may be acknowledged.
        """
        if not events:
            return
        self._check()
        outbox, shards = self._consumer.outbox, self._consumer.shards
        await asyncio.gather(*{outbox.put(event, route(event, shards)) for event in events})

    def reply(self, request: Request, reply: Reply) -> None:
        """Reply to a request of this batch, without confirmation that the reply arrived."""
        if asker := self._reply_to.get(request.id):
            self._check()
            self._put(reply, Route(DEFAULT, asker, durable=False))

    def is_over(self, request: Request) -> bool:
        """Return whether a request of this batch has expired: its sender no longer waits."""
        return _is_over(request, self._since.get(request.id))

    def _put(self, reply: Reply, asker: Route) -> None:
        """Send a reply; if it can't be encoded, send a failure, as a retry would fail as well."""
        try:
            self._consumer.outbox.put(reply, asker)
        except (ValueError, TypeError, OverflowError, msgspec.MsgspecError):
            log.exception("%s: a reply can't be encoded", self._consumer.queue.name)
            failed = Failed(**reasons.answer_unsent().fields)
            ids = {"in_reply_to": reply.in_reply_to, "correlation_id": reply.correlation_id}
            self._consumer.outbox.put(msgspec.structs.replace(failed, **ids), asker)

    async def dead_letter(self, event: Envelope, reason: str) -> None:
        """Put an event into the dead-letter queue, with the reason."""
        self._check()
        await self._consumer.set_aside(join([encode(event)]), reason, type_of(type(event)))

    async def wait(self, seconds: float) -> None:
        """Wait before another attempt, unless the subscription is being cancelled.

        Raises:
            ConnectionLost: it is being cancelled; this batch goes back to its queue.
        """
        await self._consumer.pause(seconds)

    def ack(self) -> None:
        """Acknowledge all messages of the batch."""
        if self._consumer.link is self._link:
            self._link.ack(self._tag)

    def _check(self) -> None:
        if self._consumer.link is not self._link:
            raise ConnectionLost("the channel that these messages came by is gone")


Handler = Callable[[Batch], Awaitable[None]]


class Consumer:
    """A consumer of one queue for one handler: one batch at a time, in the queue's order.

    `on_reconnect` is called before the first batch of every channel: the handler's state may be
    stale, as another consumer may have been active in between.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        on_reconnect: Callable[[], None],
        shards: int,
        tally: Tally,
    ) -> None:
        self.queue, self.shards, self.tally = queue, shards, tally
        self.stopping = asyncio.Event()
        self.link: ConsumerLink | None = None
        self.outbox = Outbox(resend=False, confirmed=tally.note_published)
        self._handler, self._on_reconnect = handler, on_reconnect
        self._decode = Decoder()
        self._pending: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._is_new = False
        self._suspects = Suspects(queue.name)

    def opened(self, link: ConsumerLink) -> None:
        """Attach to an open channel; deliveries follow."""
        self.link, self._is_new = link, True
        self.outbox.attach(link)

    def received(self, delivery: Delivery) -> None:
        """Queue a delivery for the next batch."""
        self._pending.append(delivery)
        self._wake.set()

    def lost(self, error: Exception) -> None:
        """Forget a lost channel; the broker redelivers unacknowledged messages."""
        self.link = None
        self._pending.clear()
        self.outbox.detach(error)

    def stop(self) -> None:
        """Make `run` return after the current batch; other deliveries go back to the queue."""
        self.stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Pass batches to the handler until `stop` is called.

        Raises:
            Fatal: the handler says that the service must stop.
        """
        while not self.stopping.is_set():
            await self._wake.wait()
            self._wake.clear()
            if not self._pending or self.link is None or self.stopping.is_set():
                continue
            if self._is_new:
                self._is_new = False
                self._on_reconnect()
            deliveries, link = list(self._pending), self.link
            self._pending.clear()
            try:
                await self._take(deliveries, link)
            except ConnectionLost:
                self._on_reconnect()  # the broker delivers this batch again, here or elsewhere

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt, unless the consumer stops.

        Raises:
            ConnectionLost: it stops; unacknowledged messages go back to the queue.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
            raise ConnectionLost("the subscription is being cancelled")

    async def _take(self, deliveries: list[Delivery], link: ConsumerLink) -> None:
        """Handle the deliveries: suspects alone, the others as a batch."""
        for suspect, group in itertools.groupby(deliveries, lambda taken: taken.returned > SUSPECT):
            if suspect:
                for delivery in group:
                    await self._take_suspect(delivery, link)
            else:
                await self._handle(list(group), link)

    async def _take_suspect(self, delivery: Delivery, link: ConsumerLink) -> None:
        key = self._suspects.key(delivery.body)
        crashes = await self._suspects.crashes(key, link)
        if crashes >= MOST_CRASHES:
            reason = f"{self.queue.name} crashed {crashes} times while it handled this alone"
            await self._give_up(delivery, link, reason)
            return await self._suspects.end(key, link, 0)
        await self._suspects.begin(key, link, crashes)
        try:
            await self._handle([delivery], link)
        except BaseException:
            await self._suspects.end(key, link, crashes)
            raise
        await self._suspects.end(key, link, 0)

    async def _handle(self, deliveries: list[Delivery], link: ConsumerLink) -> None:
        """Pass a batch to the handler; after repeated failures, pass its messages one by one."""
        attempt, pause = 0, PAUSE
        while True:
            try:
                return await self._turn(deliveries, link)
            except (ConnectionLost, Fatal):
                raise
            except (BusError, Unavailable) as error:  # a full broker, say: nothing is lost
                log.warning("%s waits: %s", self.queue.name, error)
            except Exception as error:
                log.exception("the handler of %s failed", self.queue.name)
                attempt += 1
                if attempt >= ATTEMPTS and len(deliveries) == 1:
                    reason = f"{type(error).__name__}: {error}"
                    return await self._give_up(deliveries[0], link, reason)
                if attempt >= ATTEMPTS:
                    break
            self._on_reconnect()
            await self.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        for delivery in deliveries:
            await self._handle([delivery], link)

    async def _give_up(self, delivery: Delivery, link: ConsumerLink, reason: str) -> None:
        await self._refuse(delivery, delivery.body, reason, MALFORMED)
        if self.link is link:
            link.ack(delivery.tag)

    async def _turn(self, deliveries: list[Delivery], link: ConsumerLink) -> None:
        batch = Batch([], deliveries[-1].tag, {}, {}, self, link)
        for delivery in deliveries:
            decoded = self._decode(delivery.body)
            events = [event for event in decoded.envelopes if not _is_over(event, delivery.since)]
            batch.events += events
            batch._since |= {e.id: delivery.since for e in events if isinstance(e, Request)}
            if delivery.reply_to:
                batch._reply_to |= {e.id: delivery.reply_to for e in events}
            for body, reason in decoded.malformed:
                await self._refuse(delivery, body, reason, MALFORMED)
        await self._handler(batch)

    async def _refuse(self, delivery: Delivery, body: bytes, reason: str, name: str) -> None:
        """Tell the sender that a body is refused; dead-letter it unless it is a request.

        A request is useless later, and may contain a password.
        """
        message, asker = head(body), delivery.reply_to
        if asker:
            failed = Failed(
                **reasons.request_dropped(reason).fields, in_reply_to=message.id or delivery.id
            )
            self.outbox.put(failed, Route(DEFAULT, asker, durable=False))
        if message.type in catalogue(Command) or not (asker or message.type in catalogue(Request)):
            return await self.set_aside(body, reason, name)
        log.warning("%s refuses a malformed request: %s", self.queue.name, reason)
        self.tally.note_failed(name)

    async def set_aside(self, body: bytes, reason: str, name: str) -> None:
        """Put a body into the dead-letter queue; return when the broker has confirmed it."""
        headers = {"x-nochat-reason": reason, "x-nochat-queue": self.queue.name}
        await self.outbox.put_parcel(Parcel(Route(DEAD, ""), raw=body, headers=headers))
        self.tally.note_failed(name)


def _is_over(envelope: Envelope, since: float | None) -> bool:
    """Return whether an envelope is a request that has expired: its sender no longer waits.

    The time that it waited in this process is measured without another machine's clock.
    """
    if not isinstance(envelope, Request) or not envelope.expires:
        return False
    if since is not None and time.monotonic() - since > envelope.expires - envelope.at:
        log.info("%s is skipped: its sender no longer waits", type_of(type(envelope)))
        return True
    if not envelope.is_expired:
        return False
    age, kind = time.time() - envelope.at, type_of(type(envelope))
    log.warning("%s is skipped: it was sent %.0f s ago, if both clocks are right", kind, age)
    return True
