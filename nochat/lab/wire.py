"""RabbitMQ from a notebook: what is done again and again around pika's own calls."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import AMQPError

from nochat import registry
from nochat.settings import Settings

PATIENCE = 5.0  # seconds

# How a message came, its properties, its body.
Message = tuple[Any, Any, bytes]


def waiting(channel: BlockingChannel, queue: str) -> int:
    """How many messages wait in a queue."""
    # A passive declaration makes nothing: it only asks.
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def drain(channel: BlockingChannel, queue: str) -> list[str]:
    """Take everything that waits in a queue, as text."""
    return [
        body.decode() for body in iter(lambda: channel.basic_get(queue, auto_ack=True)[2], None)
    ]


def take(channel: BlockingChannel, queue: str) -> Message:
    """Wait for one message, and leave it to you to acknowledge it.

    Raises:
        LookupError: none came.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        method, properties, body = channel.basic_get(queue)
        if method:
            return method, properties, body
        time.sleep(0.05)
    raise LookupError(f"nothing is in the queue {queue!r}: run the cell that publishes again")


def arrivals(channel: BlockingChannel, queue: str, quiet: float = 1.0) -> Iterator[Message]:
    """What arrives in a queue, until nothing came for some seconds; all of it is acknowledged."""
    for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=quiet):
        if method is None:
            break
        yield method, properties, body
    channel.cancel()


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[Channel]:
    """A channel of pika on this event loop, with a connection of its own.

    Raises:
        AMQPError: RabbitMQ does not answer, or says no.
    """
    loop = asyncio.get_running_loop()
    connected, opened = loop.create_future(), loop.create_future()
    connection = AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=connected.set_result,
        on_open_error_callback=lambda _, error: connected.set_exception(error),
        custom_ioloop=loop,
    )
    await connected
    try:
        connection.channel(on_open_callback=opened.set_result)
        yield await opened
    finally:
        closed = loop.create_future()
        connection.add_on_close_callback(lambda *_: closed.set_result(None))
        connection.close()
        await closed


def queues(channel: BlockingChannel) -> None:
    """Print the queues that the chat's services share, and how many messages wait in each."""
    for queue in registry.queues(Settings()):
        kind = "quorum" if queue.durable else "classic, in memory"
        one = ", single active consumer" if queue.single else ""
        print(f"{queue.name:21}{waiting(channel, queue.name):3}  {kind}{one}")


def leave(connection: pika.BlockingConnection, *queues: str) -> None:
    """Delete queues and close the connection; calling it again does nothing."""
    with suppress(AMQPError):
        if connection.is_open:
            channel = connection.channel()
            for queue in queues:
                channel.queue_delete(queue)
            connection.close()
