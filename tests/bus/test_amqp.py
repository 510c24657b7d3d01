"""What only a broker on a network can do to us, on a RabbitMQ of the test's own."""

import asyncio

import pika
import pytest

from nochat.bus import Binding, Queue, connect
from nochat.bus.routing import EVENTS, REQUESTS
from nochat.errors import BrokerDown, BusError, ConnectionLost, Unavailable
from nochat.events import MessageSent
from nochat.lab import checks, servers
from nochat.requests import WhoIs
from tests.bus.helpers import Seen, message, queue_of


async def stored(broker: servers.Server, name: str) -> None:
    """Wait until a quorum queue would survive a crash.

    It does only from when RabbitMQ has written its name to a file, up to half a second after it has
    confirmed the queue's declaration.
    """
    names = next(broker.kept.log.parent.glob("mnesia/*/quorum/*/names.dets"))
    assert await checks.until(lambda: name.encode() in names.read_bytes())


async def crash(broker: servers.Server, queue: Queue) -> None:
    """Kill the broker, and start it again."""
    await stored(broker, queue.name)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.restart)


@pytest.mark.slow
async def test_killing_the_broker_loses_nothing_that_was_confirmed(broker):
    queue = queue_of(MessageSent)
    number = 400
    async with connect(broker.url, "producer") as producer, connect(broker.url) as consumer:
        seen = Seen()
        await consumer.subscribe(queue, seen)

        async def publish_slowly():
            for each in range(number):
                await producer.publish(message(each))

        publishing = asyncio.create_task(publish_slowly())
        await seen.count(50)
        await crash(broker, queue)
        await asyncio.wait_for(publishing, 30)
        await seen.until(lambda: len(set(seen.positions)) == number)
    assert sorted(set(seen.positions)) == list(range(number))
    once = list(dict.fromkeys(seen.positions))
    assert once == list(range(number)), "first deliveries are in order"


@pytest.mark.slow
async def test_what_is_published_while_the_broker_is_away_waits_for_it(broker):
    queue = queue_of(MessageSent)
    async with connect(broker.url) as bus:
        seen = Seen()
        await bus.subscribe(queue, seen)
        await crash(broker, queue)
        publishing = asyncio.create_task(bus.publish(message(1)))
        await asyncio.wait_for(publishing, 30)
        await seen.count(1)
    assert seen.positions[0] == 1


@pytest.mark.slow
async def test_a_batch_whose_channel_broke_may_not_publish(broker):
    """Somebody else has these messages now: two must not both decide."""
    outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    handling, broken = asyncio.Event(), asyncio.Event()

    async def decide(batch):
        if outcome.done():
            return batch.ack()
        handling.set()
        await broken.wait()
        try:
            await batch.publish(message(2))
            outcome.set_result(None)
        except ConnectionLost as error:
            outcome.set_result(error)
            raise

    async with connect(broker.url) as bus:
        queue = queue_of(MessageSent)
        await bus.subscribe(queue, decide)
        await bus.publish(message(1))
        await handling.wait()
        await crash(broker, queue)
        await bus.publish(message(3))  # returns when the connection is back
        broken.set()
        assert isinstance(await outcome, ConnectionLost)


@pytest.mark.slow
async def test_a_request_whose_connection_broke_fails_at_once(broker):
    asked = asyncio.Event()

    async def keep_waiting(batch):
        asked.set()

    queue = Queue("users.requests", (Binding(REQUESTS, "users.requests"),), durable=False)
    async with connect(broker.url) as bus:
        await bus.subscribe(queue, keep_waiting)
        asking = asyncio.create_task(bus.request(WhoIs(token="t"), timeout=30))
        await asked.wait()
        await asyncio.to_thread(broker.kill)
        with pytest.raises(Unavailable, match="broke"):
            await asyncio.wait_for(asking, 10)
        await asyncio.to_thread(broker.restart)


@pytest.mark.slow
async def test_fresh_is_called_again_after_a_reconnection(broker):
    calls = []
    async with connect(broker.url) as bus:
        seen, queue = Seen(), queue_of(MessageSent)
        await bus.subscribe(queue, seen, lambda: calls.append(len(seen.events)))
        await bus.publish(message(1))
        await seen.count(1)
        await crash(broker, queue)
        await bus.publish(message(2))
        await seen.until(lambda: 2 in seen.positions)
    assert len(calls) == 2


async def test_a_single_event_has_amqps_own_properties(rabbitmq_server):
    queue = queue_of(MessageSent)
    sent = message(1)
    async with connect(rabbitmq_server.url, "controller") as bus:
        await bus.declare(queue)
        await bus.publish(sent)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        channel = connection.channel()
        method, properties, _ = channel.basic_get(queue.name, auto_ack=True)
        channel.queue_delete(queue.name)
    assert method.exchange == EVENTS
    assert method.routing_key == "message.sent"
    assert properties.message_id == sent.id
    assert properties.correlation_id == sent.correlation_id
    assert properties.type == "message.sent"
    assert properties.timestamp == int(sent.at)
    assert properties.app_id == "controller"
    assert properties.delivery_mode == 2


async def refused(url: str) -> str:
    with pytest.raises(BusError) as caught:
        async with connect(url):
            pass
    return str(caught.value)


async def test_a_wrong_password_is_said_without_showing_it(rabbitmq_server):
    url = pika.URLParameters(rabbitmq_server.url)
    said = await refused(f"amqp://nochat:wr0ng@127.0.0.1:{url.port}/nochat")
    assert "refused the user or password" in said
    assert "NOCHAT_BUS_URL" in said
    assert "wr0ng" not in said


async def test_a_virtual_host_that_is_not_there(rabbitmq_server):
    assert "no such virtual host" in await refused(rabbitmq_server.url + "-not")


async def test_a_broker_that_is_not_there(unused_tcp_port):
    url = f"amqp://nochat:secret@127.0.0.1:{unused_tcp_port}/nochat"
    with pytest.raises(BrokerDown, match="nochat doctor") as caught:
        async with connect(url):
            pass
    assert "secret" not in str(caught.value)


async def test_a_queue_of_another_shape_is_said(rabbitmq_server):
    queue = queue_of(MessageSent)
    async with connect(rabbitmq_server.url) as bus:
        await bus.declare(queue)
        with pytest.raises(BusError, match="PRECONDITION_FAILED"):
            await bus.declare(Queue(queue.name, queue.bindings, single=True))


@pytest.mark.parametrize("url", ["http://localhost", "redis://localhost", "localhost:5672", ""])
def test_a_wrong_scheme_says_which_there_are(url):
    with pytest.raises(BusError, match="memory:// or amqp://"):
        connect(url)
