"""RabbitMQ from a notebook: helpers around pika's own calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import AMQPError

from nochat.lab.waiting import patience, until
from nochat.runtime import registry
from nochat.settings import Settings

PATIENCE = 5.0  # seconds

# Delivery details, properties, body.
Message = tuple[Any, Any, bytes]


def waiting(channel: BlockingChannel, queue: str) -> int:
    """Count the messages that wait in a queue."""
    # A passive declaration creates nothing.
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def drain(channel: BlockingChannel, queue: str) -> list[str]:
    """Take and acknowledge all messages of a queue; return them as text."""
    return [
        body.decode() for body in iter(lambda: channel.basic_get(queue, auto_ack=True)[2], None)
    ]


def take(channel: BlockingChannel, queue: str) -> Message:
    """Wait for one message, which the caller has to acknowledge.

    Raises:
        GaveUp: none arrived in time.
    """
    what, advice = f"a message in the queue {queue!r}", "run the cell that publishes again"
    return until(lambda: _get(channel, queue), PATIENCE, what, advice)  # type: ignore[no-any-return]


def _get(channel: BlockingChannel, queue: str) -> Message | None:
    message = channel.basic_get(queue)
    return message if message[0] else None


def arrivals(channel: BlockingChannel, queue: str, quiet: float = 1.0) -> Iterator[Message]:
    """Yield and acknowledge a queue's messages, until none arrives for some seconds."""
    for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=quiet):
        if method is None:
            break
        yield method, properties, body
    channel.cancel()


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[Channel]:
    """Open a pika channel on this event loop, with a connection of its own.

    Raises:
        AMQPError: RabbitMQ does not answer, or refuses.
        GaveUp: it accepts the connection, but does not respond.
    """
    loop = asyncio.get_running_loop()
    connected, opened = loop.create_future(), loop.create_future()
    connection = AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=connected.set_result,
        on_open_error_callback=lambda _, error: connected.set_exception(error),
        custom_ioloop=loop,
    )
    async with _patience("a connection to RabbitMQ"):
        await connected
    try:
        connection.channel(on_open_callback=opened.set_result)
        async with _patience("a channel of RabbitMQ"):
            await opened
        yield opened.result()
    finally:
        closed = loop.create_future()
        connection.add_on_close_callback(lambda *_: closed.set_result(None))
        if not connection.is_closed:
            connection.close()
            async with _patience("RabbitMQ to close the connection"):
                await closed


def _patience(what: str) -> AbstractAsyncContextManager[None]:
    return patience(what, PATIENCE, "run the cell that starts RabbitMQ, and those below it")


def queues(channel: BlockingChannel) -> None:
    """Print the queues that the chat's services share, with their numbers of messages."""
    for queue in registry.queues(Settings()):
        kind = "quorum" if queue.durable else "quorum, for questions"
        one = ", single active consumer" if queue.single_active_consumer else ""
        print(f"{queue.name:21}{waiting(channel, queue.name):3}  {kind}{one}")


def leave(connection: pika.BlockingConnection, *queues: str) -> None:
    """Delete queues and close the connection; calling it again does nothing."""
    with suppress(AMQPError):
        if connection.is_open:
            channel = connection.channel()
            for queue in queues:
                channel.queue_delete(queue)
            connection.close()
