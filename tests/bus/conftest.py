"""Both buses for the contract suite, each test on queues of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pika
import pytest

from nochat.bus import Bus, connect
from nochat.bus.memory import brokers
from nochat.bus.routing import DEAD_LETTERS
from nochat.protocol.envelope import new_id
from tests import queues

Connect = Callable[..., AbstractAsyncContextManager[Bus]]


@pytest.fixture(params=["memory", "journal", "amqp"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each bus."""
    if request.param == "memory":
        return f"memory://{new_id()}"
    if request.param == "journal":
        return f"journal://{tmp_path}/bus"
    return str(request.getfixturevalue("rabbitmq_server").url)


@pytest.fixture
def connected(url: str) -> Iterator[Connect]:
    """Opens buses; the queues that they declare on RabbitMQ are deleted at the end."""
    names: set[str] = set()

    @asynccontextmanager
    async def open_bus(name: str = "test") -> AsyncIterator[Bus]:
        async with connect(url, name) as bus:
            declare = bus._transport.declare
            consume = bus._transport.consume

            async def noting_declare(queues):
                queues = list(queues)
                names.update(queue.name for queue in queues)
                await declare(queues)

            async def noting_consume(consumer):
                names.add(consumer.queue.name)
                await consume(consumer)

            bus._transport.declare, bus._transport.consume = noting_declare, noting_consume
            yield bus

    yield open_bus
    if url.startswith("amqp"):
        queues.delete(url, names | {DEAD_LETTERS.name})


@pytest.fixture
def dead_letters(url: str) -> Callable[[], list[tuple[bytes, dict[str, str]]]]:
    """Takes all (body, headers) out of the dead-letter queue."""

    def of_memory():
        messages = brokers[url].queues["dead-letters"].messages
        return [(message.body, message.headers) for message in messages]

    def of_rabbitmq():
        letters = []
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            while (got := channel.basic_get("dead-letters", auto_ack=True))[0]:
                letters.append((got[2], got[1].headers))
        return letters

    return of_rabbitmq if url.startswith("amqp") else of_memory
