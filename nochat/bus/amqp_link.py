"""A RabbitMQ channel, and the messages published on it that the broker has not confirmed yet."""

import asyncio
from collections.abc import Callable

from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from nochat.bus.inspection import Held
from nochat.bus.outbox import Parcel
from nochat.bus.routing import DEFAULT, Route
from nochat.errors import BrokerDown, BusError, ConnectionLost, Unroutable
from nochat.protocol.envelope import type_of

PATIENCE = 5.0  # seconds that the broker may take to answer a declaration
ATTEMPTS = "crashes."  # prefix of the queues whose messages are the notes of `suspects.py`
OF_ATTEMPTS = {"x-queue-type": "quorum", "x-expires": 24 * 3600 * 1000}  # milliseconds without use
REPLY_TO = "amq.rabbitmq.reply-to"  # RabbitMQ's "direct reply-to": no queue per requester


class Answer(asyncio.Future[object]):
    """A future that one of pika's callbacks resolves."""

    def give(self, *result: object) -> None:
        """Set the result; pika calls this as its callback."""
        if not self.done():
            self.set_result(result[0] if result else None)


class AmqpLink:
    """A channel in confirm mode, with its unconfirmed messages."""

    def __init__(self, channel: Channel, app_id: str) -> None:
        self.channel = channel
        self._app_id = app_id
        self._last_tag = 0
        self._unconfirmed: dict[int, Parcel] = {}
        self._waiting: set[Answer] = set()
        channel.add_on_close_callback(self._closed)
        channel.add_on_return_callback(self._returned)

    async def call(self, method: Callable[..., object], *args: object, **options: object) -> Method:
        """Call a channel method that takes a callback, and wait for the broker's answer.

        Raises:
            BusError: the broker closed the channel, with its reason.
            BrokerDown: it does not answer.
            ConnectionLost: the connection broke.
        """
        answer = Answer()
        self._waiting.add(answer)
        try:
            method(*args, callback=answer.give, **options)
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            raise BrokerDown(f"RabbitMQ did not answer within {PATIENCE:g} s") from None
        except AMQPError as error:
            raise ConnectionLost(f"RabbitMQ closed the channel: {error!r}") from None
        finally:
            self._waiting.discard(answer)

    async def get(self, queue: str) -> Held | None:
        """Take one message; None if the queue is empty."""

        def ask(queue: str, *, callback: Callable[[Held | None], None]) -> None:
            empty = [Basic.GetEmpty]
            self.channel.add_callback(lambda _: callback(None), empty)
            self.channel.basic_get(queue, lambda _, *message: callback(_held(*message)))

        held = await self.call(ask, queue)
        return held if isinstance(held, Held) else None

    async def confirm(self) -> None:
        """Put the channel into confirm mode."""
        await self.call(self.channel.confirm_delivery, self._settle)

    def send(self, parcel: Parcel) -> None:
        """Publish; the parcel is settled by the broker's confirm, return or refusal."""
        if not self.channel.is_open:
            return  # `detach` tells the outbox
        self._last_tag += 1
        self._unconfirmed[self._last_tag] = parcel
        to = parcel.route
        self.channel.basic_publish(
            to.exchange, to.key, parcel.body, self._properties(parcel), mandatory=to.mandatory
        )

    def ack(self, tag: int) -> None:
        """Acknowledge this delivery and all before it."""
        if self.channel.is_open:
            self.channel.basic_ack(tag, multiple=True)

    async def attempts(self, key: str) -> int:
        """Return how many attempts at a message ended in a crash; a queue holds one note for each.

        Raises:
            BusError: RabbitMQ closed the channel.
        """
        declared = await self._declare_attempts(key)
        return int(declared.method.message_count)

    async def set_attempts(self, key: str, count: int) -> None:
        """Store the number of attempts at a message that ended in a crash.

        Raises:
            BusError: RabbitMQ closed the channel.
        """
        if not count:
            await self.call(self.channel.queue_delete, ATTEMPTS + key)
            return
        await self._declare_attempts(key)
        await self.call(self.channel.queue_purge, ATTEMPTS + key)
        for _ in range(count):
            note = Parcel(Route(DEFAULT, ATTEMPTS + key, mandatory=True), raw=b"[]")
            self.send(note)
            await note.done

    async def _declare_attempts(self, key: str) -> Method:
        declare = self.channel.queue_declare
        return await self.call(declare, ATTEMPTS + key, durable=True, arguments=OF_ATTEMPTS)

    def _properties(self, parcel: Parcel) -> BasicProperties:
        properties = BasicProperties(
            content_type="application/json",
            delivery_mode=2 if parcel.route.durable else 1,
            message_id=parcel.id,
            app_id=self._app_id,
            headers=parcel.headers or None,
            reply_to=REPLY_TO if parcel.route.asks else None,
            expiration=str(int(parcel.expiration * 1000)) if parcel.expiration else None,
        )
        if len(parcel.parts) == 1 and parcel.first:
            only = parcel.first
            parcel.id = properties.message_id = only.id
            properties.correlation_id = only.correlation_id
            properties.type = type_of(type(only))
            properties.timestamp = int(only.at)
        return properties

    def _settle(self, frame: Method) -> None:
        method = frame.method
        tags = [method.delivery_tag]
        if method.multiple:
            tags = [tag for tag in self._unconfirmed if tag <= method.delivery_tag]
        for tag in tags:
            parcel = self._unconfirmed.pop(tag, None)
            if parcel and isinstance(method, Basic.Ack):
                parcel.confirmed()
            elif parcel:
                parcel.failed(BusError("RabbitMQ refused a message (a full queue or disk)"))

    def _returned(
        self, _: Channel, method: Basic.Return, properties: BasicProperties, __: bytes
    ) -> None:
        for parcel in self._unconfirmed.values():
            if parcel.id == properties.message_id:
                key = method.routing_key
                parcel.failed(Unroutable(f"no queue takes {key!r}: start the service that should"))

    def _closed(self, _: Channel, reason: Exception) -> None:
        error: BusError = ConnectionLost(f"the connection to RabbitMQ broke: {reason}")
        if isinstance(reason, ChannelClosedByBroker):  # a retry of this call would fail as well
            error = BusError(f"RabbitMQ closed the channel: {reason}")
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(error)


def _held(method: Basic.GetOk, properties: BasicProperties, body: bytes) -> Held:
    headers = properties.headers or {}
    return Held(method.delivery_tag, properties.message_id or "", body, headers)


class Holding:
    """Messages that were taken from a queue on one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def ack(self, tag: int) -> None:
        """Acknowledge one message, and no other."""
        if self._channel.is_open:
            self._channel.basic_ack(tag)

    def give_back(self) -> None:
        """Requeue the other messages now: the end of the channel requeues them too late.

        RabbitMQ requeues redelivered messages behind the rest: hold all of them to keep the order.
        """
        if self._channel.is_open:
            self._channel.basic_nack(0, multiple=True, requeue=True)  # 0: all of them
