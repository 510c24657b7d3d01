"""The bus alone: messages through RabbitMQ, each confirmed and acknowledged."""

import asyncio
import itertools
import time
from collections.abc import Iterator

import pika
import psutil
import uvloop
from pika.adapters.blocking_connection import BlockingChannel

from benchmarks.load import TEXT
from benchmarks.measure import Figure, figure
from benchmarks.sides import Used
from nochat.bus import Batch, Binding, Queue, connect
from nochat.bus.amqp import arguments
from nochat.bus.codec import encode, join
from nochat.bus.routing import EVENTS
from nochat.lab.servers import Server
from nochat.protocol.envelope import new_id, type_of
from nochat.protocol.events import MessageSent

NAME = "benchmark"


class _Clock:
    """The time, and this process's and the broker's processor time, since its creation."""

    def __init__(self, broker: int) -> None:
        self._broker = psutil.Process(broker)
        self._began, self._used = time.perf_counter(), self._now()

    def _now(self) -> Used:
        times = self._broker.cpu_times()
        return Used(time.process_time(), times.user + times.system)

    def figure(self, messages: int) -> Figure:
        """Return the figure for a number of messages since then."""
        return figure(messages, time.perf_counter() - self._began, self._now() - self._used)


def ours(broker: Server, messages: int, publishers: int) -> Figure:
    """Measure `nochat.bus`: publish all, waiting for each confirm; then consume all."""
    return uvloop.run(_ours(broker, messages, publishers))


async def _ours(broker: Server, messages: int, publishers: int) -> Figure:
    assert broker.child
    queue = Queue(NAME, (Binding(EVENTS, type_of(MessageSent)),))
    left, done = messages, asyncio.Event()

    async def consume(batch: Batch) -> None:
        nonlocal left
        left -= len(batch.events)
        batch.ack()
        if left <= 0:
            done.set()

    async with connect(broker.url) as bus:
        await bus.declare(queue)
        clock = _Clock(broker.child.pid)
        events = _events(messages)

        async def publish() -> None:
            for event in events:
                await bus.publish(event)

        await asyncio.gather(*(publish() for _ in range(publishers)))
        subscription = await bus.subscribe(queue, consume)
        async with asyncio.timeout(60):
            await done.wait()
        result = clock.figure(messages)
        await subscription.cancel()
    with _channel(broker) as channel:
        channel.queue_delete(NAME)
    return result


def blocking(broker: Server, messages: int) -> Figure:
    """Measure pika's BlockingConnection: publish with a confirm each, consume with an ack each."""
    assert broker.child
    with _channel(broker) as channel:
        kind = arguments(Queue(NAME))  # as durable as ours
        channel.queue_declare(NAME, durable=True, arguments=kind)
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=200)
        clock = _Clock(broker.child.pid)
        for event in _events(messages):
            properties = pika.BasicProperties(delivery_mode=2, message_id=event.id)
            channel.basic_publish("", NAME, join([encode(event)]), properties, mandatory=True)
        for method, _, _ in itertools.islice(channel.consume(NAME), messages):
            channel.basic_ack(method.delivery_tag)
        result = clock.figure(messages)
        channel.cancel()
        channel.queue_delete(NAME)
    return result


def _channel(broker: Server) -> BlockingChannel:
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    return connection.channel()


def _events(count: int) -> Iterator[MessageSent]:
    for position in range(count):
        yield MessageSent(NAME, position, "somebody", new_id(), TEXT)
