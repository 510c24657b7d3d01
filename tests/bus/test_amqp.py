"""What only a broker on a network can do to us, on a RabbitMQ of the test's own."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest

from nochat.bus import Binding, Queue, connect
from nochat.bus.amqp_link import PATIENCE, REPLY_TO
from nochat.bus.routing import COMMANDS, EVENTS, REQUESTS
from nochat.errors import BrokerDown, BusError, ConnectionLost, Unavailable
from nochat.lab import checks, servers
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import WhoIs
from tests.bus.helpers import Seen, message, queue_of, requests_queue
from tests.proxies import proxy


async def stored(broker: servers.Server, name: str) -> None:
    """Wait until a quorum queue would survive a crash.

    It does only from when RabbitMQ has written its name to a file, up to half a second after it has
    confirmed the queue's declaration.
    """
    names = next(broker.child.log.parent.glob("mnesia/*/quorum/*/names.dets"))
    assert await checks.until(lambda: name.encode() in names.read_bytes())


async def crash(broker: servers.Server, queue: Queue) -> None:
    """Kill the broker, and start it again."""
    await stored(broker, queue.name)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.restart)


@contextmanager
def breaking(server: servers.Server) -> Iterator[tuple[str, Callable[[], None]]]:
    """A URL of the server, and what breaks the connection when the server next says something."""
    port = urlsplit(server.url).port
    with proxy(port) as way:
        yield server.url.replace(f":{port}", f":{way.port}"), partial(setattr, way, "answers", 1)


@pytest.mark.slow
async def test_killing_the_broker_loses_nothing_that_was_confirmed(broker):
    queue = queue_of(MessageSent)
    number = 400
    async with connect(broker.url, "producer") as producer, connect(broker.url) as consumer:
        seen = Seen()
        await consumer.subscribe(queue, seen)

        async def publish_slowly():
            for position in range(number):
                await producer.publish(message(position))

        publishing = asyncio.create_task(publish_slowly())
        await seen.count(50)
        await crash(broker, queue)
        await asyncio.wait_for(publishing, 30)
        await seen.until(lambda: len(set(seen.positions)) == number)
    assert sorted(set(seen.positions)) == list(range(number))
    once = list(dict.fromkeys(seen.positions))
    assert once == list(range(number)), "first deliveries are in order"


@pytest.mark.slow
async def test_messages_published_while_the_broker_is_away_wait(broker):
    queue = queue_of(MessageSent)
    async with connect(broker.url) as bus:
        seen = Seen()
        await bus.subscribe(queue, seen)
        await crash(broker, queue)
        publishing = asyncio.create_task(bus.publish(message(1)))
        await asyncio.wait_for(publishing, 30)
        await seen.count(1)
    assert seen.positions[0] == 1


async def test_a_batch_whose_channel_broke_may_not_publish(rabbitmq_server):
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

    with breaking(rabbitmq_server) as (url, break_it):
        async with connect(url) as bus:
            await bus.subscribe(queue_of(MessageSent), decide)
            await bus.publish(message(1))
            await handling.wait()
            break_it()
            await bus.publish(message(3))  # returns when the connection is back
            broken.set()
            assert isinstance(await outcome, ConnectionLost)


async def test_a_request_whose_connection_broke_fails_at_once(rabbitmq_server):
    asked = asyncio.Event()

    async def keep_waiting(batch):
        asked.set()

    queue = requests_queue("users")
    with breaking(rabbitmq_server) as (url, break_it):
        async with connect(url) as bus:
            await bus.subscribe(queue, keep_waiting)
            asking = asyncio.create_task(bus.request(WhoIs(token="t"), timeout=30))
            await asked.wait()
            break_it()
            await bus.publish(message(1))
            with pytest.raises(Unavailable, match="broke"):
                await asyncio.wait_for(asking, 10)


async def test_a_request_that_was_not_confirmed_fails_with_one_error(rabbitmq_server):
    """asyncio says nothing later of the answer, for which nobody waits any more."""
    with breaking(rabbitmq_server) as (url, break_it):
        async with connect(url) as bus:
            break_it()
            asking = asyncio.create_task(bus.request(WhoIs(token="t"), timeout=30))
            await asyncio.sleep(0)  # it begins
            [answer] = bus._asked.values()
            with pytest.raises(Unavailable, match="broke"):
                await asking
            assert answer.done()
            assert not answer._log_traceback


async def test_fresh_is_called_again_after_a_reconnection(rabbitmq_server):
    calls, seen = [], Seen()
    with breaking(rabbitmq_server) as (url, break_it):
        async with connect(url) as bus:
            await bus.subscribe(queue_of(MessageSent), seen, lambda: calls.append(seen.positions))
            await bus.publish(message(1))
            await seen.count(1)
            break_it()
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
    assert "refused the user or password (403 ACCESS_REFUSED - Login was refused" in said
    assert "NOCHAT_BUS_URL" in said
    assert "wr0ng" not in said


async def test_a_virtual_host_that_is_not_there(rabbitmq_server):
    said = await refused(rabbitmq_server.url + "-not")
    assert "refused: 530 NOT_ALLOWED - vhost nochat-not not found; NOCHAT_BUS_URL names" in said


def ask_broker(broker, module: str, function: str, *arguments: str) -> None:
    """Call a function of RabbitMQ's, as `rabbitmqctl` does, in a tenth of its time."""
    environ = Path(f"/proc/{broker.child.pid}/environ").read_text().split("\0")
    env = dict(line.partition("=")[::2] for line in environ if line)
    port = re.search(r"-erl_epmd_port (\d+)", env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"])[1]
    call = f"rpc:call('{env['RABBITMQ_NODENAME']}', {module}, {function}, [{','.join(arguments)}])"
    options = ["-noinput", "-hidden", "-dist_listen", "false", "-sname", "asker@localhost"]
    options += ["-start_epmd", "false", "-erl_epmd_port", port, "-eval", f"ok = {call}, halt()."]
    subprocess.run(["erl", *options], env=env, check=True, timeout=30)


HOST, BY = '<<"nochat">>', '<<"tests">>'


# What the chat's own account may not do, RabbitMQ's operator does.
def limit_host(broker, limits: str) -> None:
    ask_broker(broker, "rabbit_vhost_limit", "set", HOST, f"[{limits}]", BY)


def limit_user(broker, limits: str) -> None:
    ask_broker(
        broker, "rabbit_auth_backend_internal", "set_user_limits", HOST, f"#{{{limits}}}", BY
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_each_limit_of_the_broker_is_said_in_its_words(broker):
    """None of them is "no such virtual host", and for none the chat waits in vain."""
    refusals = {}

    async def told(limit, name, text):
        await asyncio.to_thread(limit, broker, text)
        async with asyncio.timeout(PATIENCE - 1):
            refusals[name] = await refused(broker.url)

    await told(limit_host, "connections", '{<<"max-connections">>,0}')
    await asyncio.to_thread(limit_host, broker, '{<<"max-queues">>,1}')
    async with connect(broker.url) as bus:
        with pytest.raises(BusError, match=r"queue limit in vhost 'nochat' \(1\) is reached"):
            await bus.declare(queue_of(MessageSent))
    await asyncio.to_thread(limit_host, broker, "")
    await told(limit_user, "user's connections", '<<"max-connections">> => 0')
    await told(limit_user, "channels", '<<"max-connections">> => -1, <<"max-channels">> => 0')
    await asyncio.to_thread(limit_user, broker, '<<"max-channels">> => -1')
    async with connect(broker.url):
        pass
    assert "refused: 530 NOT_ALLOWED - access to vhost 'nochat' refused" in refusals["connections"]
    assert (
        "connection limit (0) is reached; `rabbitmqctl` set_vhost_limits" in refusals["connections"]
    )
    assert "530 NOT_ALLOWED" in refusals["user's connections"]
    assert "user connection limit (0) is reached" in refusals["user's connections"]
    assert "530 NOT_ALLOWED - number of channels opened for user 'nochat" in refusals["channels"]
    assert "maximum allowed user limit of (0)" in refusals["channels"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_too_few_channels_for_one_connection_are_said(broker):
    await asyncio.to_thread(ask_broker, broker, "application", "set_env", "rabbit,channel_max,1")
    try:
        async with connect(broker.url) as bus:
            with pytest.raises(
                BrokerDown, match=r"allows 1 channels per connection; raise channel_max"
            ):
                await bus.subscribe(queue_of(MessageSent), Seen())
    finally:
        await asyncio.to_thread(
            ask_broker, broker, "application", "set_env", "rabbit,channel_max,0"
        )


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
        with pytest.raises(BusError, match=r"rabbitmqctl delete_queue .*PRECONDITION_FAILED"):
            await bus.declare(Queue(queue.name, queue.bindings, single_active_consumer=True))


@pytest.mark.parametrize("url", ["http://localhost", "redis://localhost", "localhost:5672", ""])
def test_a_wrong_scheme_says_which_there_are(url):
    with pytest.raises(BusError, match="memory:// or amqp://"):
        connect(url)


def limit_disk(broker: servers.Server, free: int) -> None:
    """Restart the broker with that many bytes to be free on its disk, or it takes no messages."""
    config = broker.child.log.parent / "rabbitmq.config"
    limited = re.sub("disk_free_limit, [^}]+", f"disk_free_limit, {free}", config.read_text())
    config.write_text(limited)
    broker.kill()
    broker.restart()


@pytest.mark.slow
async def test_a_broker_that_takes_no_messages_is_told_and_holds_up_no_stop(broker, caplog):
    """Its disk or memory is full: it reads nothing more from who has published."""
    await asyncio.to_thread(limit_disk, broker, 10**15)
    queue = queue_of(MessageSent)
    async with connect(broker.url) as bus:
        seen = Seen()
        subscription = await bus.subscribe(queue, seen)
        publishing = asyncio.create_task(bus.publish(message(1)))
        assert await checks.until(lambda: "blocks publishers: low on disk" in caplog.text)
        async with asyncio.timeout(3):
            await subscription.cancel()
    publishing.cancel()


# What a program in another language may get wrong: where it goes, and whether it is set aside.
MALFORMED = {
    "a question of a wrong shape": (
        REQUESTS,
        "users.requests",
        '[{"type": "users.who-is"}]',
        False,
    ),
    "a question that is no array": (REQUESTS, "x.requests", '{"type": "users.who-is"}', False),
    "a question whose id is a number": (REQUESTS, "x.requests", '[{"id": 1}]', False),
    "a command of a wrong shape": (
        COMMANDS,
        "controller.0",
        '[{"type": "room.join", "id": "m1", "room": "NO ROOM", "user": "ana"}]',
        True,
    ),
}


@pytest.mark.parametrize("wrong", MALFORMED)
async def test_senders_of_malformed_messages_are_told(rabbitmq_server, wrong):
    exchange, key, body, kept = MALFORMED[wrong]
    url = rabbitmq_server.url
    async with connect(url) as bus, connect(url) as operator:
        binding = Binding(exchange, key)
        queue = Queue(f"test.{new_id()}", (binding,), durable=False, exclusive=True)
        await bus.subscribe(queue, Seen())
        reply = await asyncio.to_thread(ask, url, exchange, key, body)
        async with operator.dead_letters() as letters:
            aside = [letter for letter in letters.all if "NO ROOM" in letter.content]
            for letter in aside:
                await letters.take(letter.id, replay=False)
    assert (reply["type"], reply["in_reply_to"]) == ("failed", "m1")
    assert "malformed" in reply["reason"] or "not a JSON array" in reply["reason"]
    assert bool(aside) == kept


def ask(url, exchange, key, body):
    """Publish, as any program may; return the one reply."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        replies = []
        channel.basic_consume(REPLY_TO, lambda *got: replies.append(got[-1]), auto_ack=True)
        properties = pika.BasicProperties(reply_to=REPLY_TO, message_id="m1")
        channel.basic_publish(exchange, key, body.encode(), properties)
        connection.process_data_events(time_limit=20)  # until the first comes
        return json.loads(replies[0])[0]
