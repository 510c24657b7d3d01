"""What we declare is allowed from RabbitMQ 3.10 to 4.3; what an older chat declared gives way."""

import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker

from nochat.bus import Queue, connect
from nochat.bus.amqp import declaration, returns
from nochat.bus.amqp_link import OF_ATTEMPTS
from nochat.bus.routing import DEAD_LETTERS
from nochat.errors import BusError
from nochat.lab.servers.rabbitmq_server import DENIES, version_of
from nochat.protocol.events import TypingStarted
from nochat.protocol.requests import Session, WhoIs
from nochat.runtime import registry
from nochat.settings import Settings
from tests import queues
from tests.bus.helpers import queue_of, requests_queue

# https://www.rabbitmq.com/docs/4.3/quorum-queues: those that 3.10 has as well.
OF_QUORUM_QUEUES = {
    "x-dead-letter-exchange",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-expires",
    "x-overflow",
    "x-queue-type",
    "x-single-active-consumer",
}


def every_queue() -> list[Queue]:
    settings = Settings()
    services = registry.services(registry.names(settings))
    queues = [queue for service in services for queue in service.queues(settings, "1")]
    return [DEAD_LETTERS, *queues]


@pytest.mark.parametrize("queue", every_queue(), ids=lambda queue: queue.name)
def test_every_queue_is_a_quorum_queue_or_exclusive(queue):
    given = declaration(queue)
    if queue.exclusive:
        assert given == {"exclusive": True, "arguments": {"x-queue-type": "classic"}}
    else:
        assert given["durable"]
        assert given["arguments"]["x-queue-type"] == "quorum"
        assert given["arguments"].keys() <= OF_QUORUM_QUEUES


def test_the_notes_of_crashes_are_in_quorum_queues_that_go_away():
    assert OF_ATTEMPTS.keys() == {"x-queue-type", "x-expires"}
    assert OF_ATTEMPTS["x-queue-type"] == "quorum"


@pytest.mark.parametrize("queue", every_queue(), ids=lambda queue: queue.name)
def test_no_default_of_a_broker_drops_a_message(queue):
    """The limit of RabbitMQ 4 is 20, and what is past it is gone where it is no dead letter."""
    if not queue.exclusive:
        assert declaration(queue)["arguments"]["x-delivery-limit"] > 1_000_000


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({}, 0),
        ({"x-delivery-count": 3}, 3),
        ({"x-acquired-count": 7, "x-delivery-count": 3}, 7),  # 4.3: four were given back
        ({"x-acquired-count": 2}, 2),
    ],
)
def test_redeliveries_are_counted_with_every_version(headers, count):
    assert returns(headers) == count


@pytest.fixture
def channel(rabbitmq_server):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        yield connection.channel()


# ---- a broker that an older chat has used -------------------------------------------------------


def is_left_behind(server, channel, queue: Queue) -> bool:
    """Declare a queue as the chat once did, which a broker with the rules of RabbitMQ 4.3 refuses.

    Our private ones have them from 4.0.5 on: so these tests also show that they are in force.
    """
    if version_of(server.version) >= DENIES:
        with pytest.raises(AMQPError, match="transient_nonexcl_queues"):
            channel.queue_declare(queue.name)
        return False
    channel.queue_declare(queue.name)
    for binding in queue.bindings:
        channel.queue_bind(queue.name, binding.exchange, binding.key)
    return True


async def test_an_older_chats_queue_of_questions_gives_way(rabbitmq_server, channel):
    queue = requests_queue("users")

    async def answer(batch):
        for request in batch.events:
            batch.reply(request, Session(user="ana", in_reply_to=request.id))
        batch.ack()

    async with connect(rabbitmq_server.url) as bus:
        if is_left_behind(rabbitmq_server, channel, queue):
            channel.basic_publish("", queue.name, b"an old question")
        await bus.subscribe(queue, answer)
        assert (await bus.request(WhoIs(token="t"), timeout=20)).user == "ana"
    queues.delete(rabbitmq_server.url, {queue.name})


async def test_an_older_chat_that_still_answers_is_said(rabbitmq_server, channel):
    queue = requests_queue("users")
    async with connect(rabbitmq_server.url) as bus:
        if is_left_behind(rabbitmq_server, channel, queue):
            channel.basic_consume(queue.name, lambda *_: None)
            with pytest.raises(BusError, match=r"older version of the chat still answers .*; stop"):
                await bus.declare(queue)
            assert bus.connected
            queues.delete(rabbitmq_server.url, {queue.name})


async def test_a_queue_of_ones_own_needs_no_default_of_the_broker(rabbitmq_server, channel):
    queue = queue_of(TypingStarted, durable=False, exclusive=True)
    async with connect(rabbitmq_server.url) as bus:
        await bus.declare(queue)
        with pytest.raises(ChannelClosedByBroker, match="RESOURCE_LOCKED"):
            channel.queue_declare(queue.name, passive=True)
