"""`amqp://`: RabbitMQ through pika on asyncio, with confirms and automatic reconnection."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    NoFreeChannels,
)
from pika.spec import BasicProperties

from nochat.bus.amqp_connection import broker_said, open_connection, parse_url, refusal
from nochat.bus.amqp_link import PATIENCE, REPLY_TO, AmqpLink, Answer, Holding
from nochat.bus.consumer import PREFETCH, Consumer, Delivery
from nochat.bus.inspection import Held, QueueState
from nochat.bus.outbox import Outbox
from nochat.bus.routing import DEAD, DEAD_LETTERS, EXCHANGES, Queue
from nochat.errors import BrokerDown, BusError, ConnectionLost, Unavailable
from nochat.runtime.origin import netloc

log = logging.getLogger(__name__)

# An unacknowledged delivery does not mean a bad message: the service stopped, or waited for its
# store. `suspects.py` finds poison messages. Without a limit here, RabbitMQ 4 sets one of 20.
DELIVERY_LIMIT = 1_000_000_000
LONGEST_PAUSE = 5.0  # seconds between two attempts to reconnect
QUESTIONS_EXPIRE = 24 * 3600 * 1000  # milliseconds without a service that consumes them


def declaration(queue: Queue) -> dict[str, object]:
    """Return the options that declare a queue: a quorum queue, or one exclusive to the connection.

    RabbitMQ 4.3 refuses queues that are neither durable nor exclusive.
    """
    if queue.exclusive:
        return {"exclusive": True, "arguments": {"x-queue-type": "classic"}}
    return {"durable": True, "arguments": arguments(queue)}


def arguments(queue: Queue) -> dict[str, object]:
    """Return the arguments of a quorum queue."""
    given: dict[str, object] = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    if not queue.durable:
        return given | {"x-expires": QUESTIONS_EXPIRE}
    if queue != DEAD_LETTERS:
        given["x-dead-letter-exchange"] = DEAD
        given |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    if queue.single_active_consumer:
        given["x-single-active-consumer"] = True
    return given


class AmqpTransport:
    """A service's connection to RabbitMQ, reopened with its consumers when it breaks."""

    def __init__(self, url: str, app_id: str) -> None:
        self._parameters = parse_url(url, app_id)
        self._app_id = app_id
        self._connection: AsyncioConnection | None = None
        self._queues: dict[str, Queue] = {DEAD_LETTERS.name: DEAD_LETTERS}
        self._consumers: dict[Consumer, AmqpLink | None] = {}
        self._main: AmqpLink | None = None
        self._lost = asyncio.Event()
        self._opening: set[Answer] = set()
        self._blocked = False
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The broker's address, without the password."""
        parameters = self._parameters
        where = netloc(parameters.host, parameters.port)
        return f"{where}, virtual host {parameters.virtual_host!r}"

    async def open(self, outbox: Outbox, on_reply: Callable[[bytes], None]) -> None:
        """Connect, and reconnect from then on whenever the connection breaks.

        Raises:
            BusError: RabbitMQ does not answer, or refuses the user, password or virtual host.
        """
        self._outbox, self._on_reply = outbox, on_reply
        await self._connect()
        self._keeper = asyncio.create_task(
            self._keep(), name=f"{self._app_id}: keep the connection"
        )

    async def declare(self, queues: Iterable[Queue]) -> None:
        """Declare queues, now and after each reconnection.

        Raises:
            BusError: a queue of that name exists with other properties.
        """
        for queue in queues:
            self._queues[queue.name] = queue
            if self._main:
                await self._declare(self._main, queue)

    async def consume(self, consumer: Consumer) -> None:
        """Deliver a queue's messages to a consumer, now and after each reconnection."""
        self._consumers[consumer] = None
        try:
            await self._start(consumer)
        except BaseException:
            await self.cancel(consumer)  # or the next connection would start it
            raise

    async def cancel(self, consumer: Consumer) -> None:
        """Stop deliveries; unacknowledged messages are redelivered to other consumers."""
        link = self._consumers.pop(consumer)
        consumer.lost(ConnectionLost("the subscription was cancelled"))
        if link and link.channel.is_open:
            closed = Answer()
            link.channel.add_on_close_callback(closed.give)
            # pika would cancel the consumer before it closes the channel. RabbitMQ would then
            # activate a stand-by before our messages are back in the queue: out of order.
            link.channel._cancelled.update(link.channel._consumers)
            link.channel.close()
            await asyncio.wait([closed], timeout=self._farewell)

    async def drain(self, seconds: float) -> dict[str, int]:
        """Return at once: RabbitMQ keeps unhandled messages."""
        return {}

    @property
    def lasting(self) -> bool:
        """True if the queues keep their messages until the next start."""
        return True

    async def depths(self, queues: Iterable[Queue]) -> list[QueueState]:
        """Count the messages in queues; queues that do not exist are left out."""
        states = []
        async with AsyncExitStack() as stack:
            link: AmqpLink | None = None
            for queue in queues:
                if link is None:
                    link = await stack.enter_async_context(self._linked())
                try:
                    frame = await link.call(link.channel.queue_declare, queue.name, passive=True)
                except Unavailable:
                    raise
                except BusError:  # the broker says "no such queue" by closing the channel
                    link = None
                    continue
                method = frame.method
                states.append(QueueState(queue.name, method.message_count, method.consumer_count))
        return states

    @asynccontextmanager
    async def held(self, queue: Queue, most: int) -> AsyncIterator[tuple[list[Held], Holding]]:
        """Take up to `most` messages from a queue; those not acknowledged go back at the end."""
        async with self._linked() as link:
            await self._declare(link, queue)  # an operator may have deleted it
            holding = Holding(link.channel)
            try:
                yield await _take(link, queue.name, most), holding
            finally:
                holding.give_back()

    async def close(self) -> None:
        """Close the connection; unacknowledged messages go back to their queues."""
        self._closing = True
        if self._keeper:
            self._keeper.cancel()
        self._drop(ConnectionLost("the bus was closed"))
        await self._disconnect()

    # ---- the connection -------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._lost.clear()
        self._connection = await open_connection(self._parameters, self.address)
        self._blocked = False
        self._connection.add_on_close_callback(self._connection_closed)
        self._connection.add_on_connection_blocked_callback(self._block)
        self._connection.add_on_connection_unblocked_callback(self._unblock)
        try:
            self._main = await self._link()
            for name, kind in EXCHANGES.items():
                await self._main.call(self._main.channel.exchange_declare, name, kind, durable=True)
            for queue in self._queues.values():
                await self._declare(self._main, queue)
            self._main.channel.basic_consume(REPLY_TO, self._reply, auto_ack=True)
            for consumer in list(self._consumers):
                await self._start(consumer)
        except BaseException:
            await self._disconnect()
            raise
        self._outbox.attach(self._main)

    async def _link(self) -> AmqpLink:
        if not self._connection or not self._connection.is_open:
            raise ConnectionLost(f"the connection to RabbitMQ at {self.address} is down")
        opened = Answer()
        self._opening.add(opened)
        try:
            self._connection.channel(on_open_callback=opened.give)
            async with asyncio.timeout(PATIENCE):
                link = AmqpLink(await opened, self._app_id)
        except NoFreeChannels:
            most = self._connection.params.channel_max
            raise BrokerDown(
                f"RabbitMQ at {self.address} allows {most} channels per connection; "
                "raise channel_max in its configuration"
            ) from None
        except TimeoutError:
            raise BrokerDown(f"RabbitMQ did not answer within {PATIENCE:g} s") from None
        finally:
            self._opening.discard(opened)
        link.channel.add_on_close_callback(self._channel_closed)
        link.channel.add_on_cancel_callback(lambda _: self._lost.set())
        await link.confirm()
        return link

    @asynccontextmanager
    async def _linked(self) -> AsyncIterator[AmqpLink]:
        """Open a channel; close it at the end."""
        link = await self._link()
        try:
            yield link
        finally:
            if link.channel.is_open:
                closed = Answer()
                link.channel.add_on_close_callback(closed.give)
                link.channel.close()
                await asyncio.wait([closed], timeout=PATIENCE)

    async def _declare(self, link: AmqpLink, queue: Queue) -> None:
        channel = link.channel
        if not (queue.durable or queue.exclusive):
            await self._make_way(queue)
        try:
            await link.call(channel.queue_declare, queue.name, **declaration(queue))
        except BusError as error:
            if "PRECONDITION_FAILED" not in str(error):
                raise
            raise BusError(
                f"RabbitMQ has a queue {queue.name!r} of another version of the chat. When it is "
                f"empty, stop the chat, delete the queue (rabbitmqctl delete_queue {queue.name}) "
                f"and start the chat again ({error})"
            ) from None
        for binding in queue.bindings:
            await link.call(channel.queue_bind, queue.name, binding.exchange, binding.key)

    async def _make_way(self, queue: Queue) -> None:
        """Delete the transient queue that an older chat left for the same requests.

        Nobody waits for the messages in it. The check uses its own channel, because RabbitMQ closes
        the channel if the queue has other properties.

        Raises:
            BusError: an older chat still consumes it.
        """
        try:
            async with self._linked() as link:
                await link.call(link.channel.queue_declare, queue.name, **declaration(queue))
        except BusError as error:
            if "PRECONDITION_FAILED - inequivalent arg 'durable'" not in str(error):
                raise
            [older] = await self.depths([queue]) or [QueueState(queue.name, 0, 0)]
            if older.consumers:
                raise BusError(
                    f"an older version of the chat still answers what goes to {queue.name!r}; "
                    "stop it, then start this one again"
                ) from None
            async with self._linked() as link:
                await link.call(link.channel.queue_delete, queue.name)

    async def _start(self, consumer: Consumer) -> None:
        link = await self._link()
        if consumer not in self._consumers:  # cancelled meanwhile
            link.channel.close()
            return
        self._consumers[consumer] = link
        await self._declare(link, consumer.queue)
        await link.call(link.channel.basic_qos, prefetch_count=PREFETCH)
        consumer.opened(link)
        await link.call(
            link.channel.basic_consume,
            consumer.queue.name,
            lambda _, method, properties, body: consumer.received(
                Delivery(
                    method.delivery_tag,
                    body,
                    properties.reply_to or "",
                    returns(properties.headers or {}),
                    id=properties.message_id or "",
                )
            ),
        )

    def _reply(self, _: Channel, __: Any, ___: BasicProperties, body: bytes) -> None:
        self._on_reply(body)

    def _connection_closed(self, _: Any, reason: Exception) -> None:
        self._lost.set()
        for opened in self._opening:  # too many channels: the broker closes the connection
            if not opened.done():
                opened.set_exception(BrokerDown(refusal(self.address, broker_said(reason))))

    def _block(self, _: AsyncioConnection, frame: Any) -> None:
        self._blocked = True
        log.warning("RabbitMQ at %s blocks publishers: %s", self.address, frame.method.reason)

    def _unblock(self, *_: object) -> None:
        self._blocked = False
        log.warning("RabbitMQ at %s accepts messages again", self.address)

    @property
    def _farewell(self) -> float:
        """Seconds to wait for the broker's close; it does not read blocked connections."""
        return 0.1 if self._blocked else LONGEST_PAUSE

    def _channel_closed(self, channel: Channel, reason: Exception) -> None:
        links = [self._main, *self._consumers.values()]
        if channel in [link.channel for link in links if link]:
            log.warning("RabbitMQ closed a channel: %s", reason)
            self._lost.set()

    def _drop(self, error: ConnectionLost) -> None:
        self._main = None
        self._outbox.detach(error)
        for consumer in self._consumers:
            self._consumers[consumer] = None
            consumer.lost(error)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection and not connection.is_closed:
            closed = Answer()
            connection.add_on_close_callback(closed.give)
            if not connection.is_closing:
                connection.close()
            await asyncio.wait([closed], timeout=self._farewell)
            if not connection.is_closed:
                connection._adapter_disconnect_stream()  # pika itself would wait forever
                await asyncio.wait([closed], timeout=self._farewell)

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            self._drop(ConnectionLost(f"the connection to RabbitMQ at {self.address} broke"))
            await self._disconnect()
            log.warning("RabbitMQ at %s is gone; reconnecting", self.address)
            await self._reconnect()
            log.warning("RabbitMQ at %s is back", self.address)

    async def _reconnect(self) -> None:
        pause = 0.1
        while True:
            try:
                return await self._connect()
            except (BusError, AMQPError) as error:
                log.info("still reconnecting: %s", error)
            except Exception:  # this task is the only one that reconnects
                log.exception("reconnecting failed; the bus tries again")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def returns(headers: dict[str, object]) -> int:
    """Return how often a message was delivered and returned to its queue.

    From RabbitMQ 4.3 on, `x-delivery-count` leaves out messages that `basic.nack` or the loss of a
    node returned; `x-acquired-count` includes all.
    """
    names = "x-acquired-count", "x-delivery-count"
    return max(int(str(headers.get(name, 0))) for name in names)


async def _take(link: AmqpLink, queue: str, most: int) -> list[Held]:
    taken: list[Held] = []
    while len(taken) < most and (held := await link.get(queue)):
        taken.append(held)
    return taken
