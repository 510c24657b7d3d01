"""What the design promises, each with something broken on purpose, on real servers."""

import asyncio
import json
import urllib.error
import urllib.request

import pika
import pytest
import websockets

from nochat.bus import connect
from nochat.lab import chat as lab_chat
from nochat.lab import checks
from nochat.lab.people import Person
from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import CreateRoom
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.protocol.fields import LOBBY
from nochat.protocol.requests import GetHistory
from nochat.runtime import registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def chat(broker, database, mongodb_server):
    """The services as processes of their own, with a second controller as a stand-by."""
    activity = f"{mongodb_server.url}/promises{new_id()[:8]}"
    urls = {"bus": broker.url, "users": database.url, "activity": activity}
    with lab_chat.start(apart=True, **urls) as chat:
        chat.add("controller-2", "controller")
        yield chat


def a_name() -> str:
    return f"u{new_id()[:10]}"


async def stored(chat_broker, room: str = LOBBY) -> list[MessageSent]:
    """The messages of a room as the store has them, from the services themselves."""
    entries, after = [], 0
    async with connect(chat_broker.url, "test") as bus:
        while True:
            ask = GetHistory(user=None, room=room, after=after, limit=500)
            page = await bus.request(ask, timeout=30)
            entries += page.entries
            if not page.more:
                return [entry for entry in entries if isinstance(entry, MessageSent)]
            after = entries[-1].position


async def a_room(person: Person) -> str:
    """A room of one's own, so that tests don't see each other's messages."""
    room = f"r-{new_id()[:10]}"
    await person.call("create", {"room": room, "title": room})
    await person.until(lambda: room in person.heard)
    return room


async def until_acknowledged(person: Person, text: str, room: str) -> str:
    """Send a message as the page does: again, with the same client id, when told to try again."""
    client_id = new_id()
    while True:
        try:
            return await person.says(text, room, client_id)
        except RuntimeError as error:
            if "try again" not in str(error):
                raise


@pytest.mark.parametrize(
    "victim", ["controller", "controller-2", "activity", "notifications", "users"]
)
async def test_killing_a_service_loses_nothing_and_repeats_nothing(chat, broker, victim):
    number = 200
    async with Person(a_name(), chat.url) as ana, Person(a_name(), chat.url) as bob:
        room = await a_room(ana)
        await bob.join(room)

        async def write(person: Person) -> list[str]:
            ids = []
            for turn in range(number):
                ids.append(await person.says(f"{person.name} {turn}", room))
                if person is ana and turn == number // 4:
                    await asyncio.to_thread(chat.kill, victim)
            return ids

        hers, his = await asyncio.gather(write(ana), write(bob))
        await asyncio.to_thread(chat.restart, victim)
        for person in (ana, bob):
            await person.until(lambda p=person: len(p.texts(room)) == 2 * number, timeout=60)
        kept = await stored(broker, room)
        assert sorted(message.client_id for message in kept) == sorted(hers + his)
        assert [message.text for message in kept] == ana.texts(room) == bob.texts(room)
        for person in (ana, bob):
            own = [text for text in ana.texts(room) if text.startswith(f"{person.name} ")]
            assert own == [f"{person.name} {turn}" for turn in range(number)]


async def test_a_retry_is_stored_once(chat, broker):
    async with Person(a_name(), chat.url) as ana:
        room = await a_room(ana)
        for _ in range(5):
            await ana.says("once", room, client_id="the same")
        await ana.says("the end", room)
        await ana.until(lambda: "the end" in ana.texts(room))
        assert ana.texts(room) == ["once", "the end"]
        assert [message.text for message in await stored(broker, room)] == ["once", "the end"]


async def test_a_retry_after_a_takeover_is_stored_once(chat, broker):
    async with Person(a_name(), chat.url) as ana:
        room = await a_room(ana)
        await ana.says("once", room, client_id="the same")
        await ana.until(lambda: ana.texts(room) == ["once"])
        for victim in ("controller", "controller-2"):
            await asyncio.to_thread(chat.kill, victim)
            await asyncio.to_thread(chat.restart, victim)
        await ana.says("once", room, client_id="the same")
        await ana.says("the end", room)
        await ana.until(lambda: "the end" in ana.texts(room))
        assert ana.texts(room) == ["once", "the end"]


async def test_returning_users_get_what_they_missed(chat):
    async with Person(a_name(), chat.url) as ana, Person(a_name(), chat.url) as bob:
        room = await a_room(ana)
        await bob.join(room)
        await ana.says("before", room)
        await bob.until(lambda: bob.texts(room) == ["before"])
        await bob.disconnect()
        for turn in range(5):
            await ana.says(f"missed {turn}", room)
        await bob.connect()
        await bob.until(lambda: len(bob.texts(room)) == 6)
        assert bob.texts(room) == ["before", *(f"missed {number}" for number in range(5))]


async def test_killing_the_broker_loses_nothing_that_was_acknowledged(chat, broker):
    async with Person(a_name(), chat.url) as ana, Person(a_name(), chat.url) as bob:
        room = await a_room(ana)
        await bob.join(room)
        acknowledged = [await ana.says(f"before {number}", room) for number in range(20)]
        await asyncio.to_thread(broker.kill)
        while_away = asyncio.create_task(until_acknowledged(ana, "while it was away", room))
        await asyncio.to_thread(broker.restart)
        acknowledged.append(await while_away)
        acknowledged.append(await ana.says("after", room))
        await bob.until(lambda: "after" in bob.texts(room) or not bob.connected, timeout=60)
        if not bob.connected:  # a gateway closes sockets that it can't serve; the page comes again
            await bob.connect()
        await bob.until(lambda: "after" in bob.texts(room), timeout=60)
        kept = await stored(broker, room)
        assert [message.client_id for message in kept] == acknowledged
        assert bob.texts(room) == [message.text for message in kept]


async def test_a_gateway_that_is_killed_comes_back_with_what_was_missed(chat):
    async with Person(a_name(), chat.url) as ana:
        room = await a_room(ana)
        await ana.says("before", room)
        await ana.until(lambda: ana.texts(room) == ["before"])
        await asyncio.to_thread(chat.kill, "gateway")
        await ana.disconnect()
        await asyncio.to_thread(chat.restart, "gateway")
        await ana.connect()
        await ana.says("after", room)
        await ana.until(lambda: ana.texts(room) == ["before", "after"])


async def test_a_poisonous_command_is_set_aside_with_the_reason(chat, broker):
    """A well-formed command of no type that the controller knows: nothing loops, others go on."""
    async with connect(broker.url, "test") as bus:
        await bus.publish(CreateRoom("poison", "eve", "Poison"))
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        for shard in range(4):
            body = b'[{"type":"room.create","room":"x","user":"eve","title":""}]'
            channel.basic_publish("nochat.commands", f"controller.{shard}", body)

        def dead() -> list[str]:
            got = channel.basic_get("dead-letters", auto_ack=True)
            return [got[1].headers["x-nochat-reason"]] if got[0] else []

        reasons = [await checks.until(dead) for _ in range(4)]
    assert all("length >= 1" in reason for (reason,) in reasons)
    async with Person(a_name(), chat.url) as ana:
        room = await a_room(ana)
        await ana.says("all is well", room)
        await ana.until(lambda: ana.texts(room) == ["all is well"])


async def test_a_client_that_never_reads_costs_only_itself(chat):
    number, text = 150, "x" * 4000
    async with Person(a_name(), chat.url) as ana, Person(a_name(), chat.url) as bob:
        room = await a_room(ana)
        await bob.join(room)
        cookie = next(iter(ana._http.cookie_jar))
        gateway = (await (await ana._http.get(f"{ana.url}/api/me")).json())["gateway"]
        url = f"{gateway.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        header = {"Cookie": f"{cookie.key}={cookie.value}"}
        async with websockets.connect(url, additional_headers=header, max_queue=1) as deaf:
            await deaf.send("40")
            deaf.transport.pause_reading()
            for _ in range(number):
                await ana.says(text, room)
            await bob.until(lambda: len(bob.texts(room)) == number, timeout=30)
            deaf.transport.abort()


async def test_one_message_can_be_followed_through_all_services(chat):
    async with Person(a_name(), chat.url) as ana, Person(a_name(), chat.url) as bob:
        followed = await ana.says(f"look here, @{bob.name}")
        await bob.until(lambda: any(event == "notified" for event, _ in bob.told))
        passed = await checks.until(lambda: lab_services(chat, followed))
    assert passed
    publishers = {name: getattr(kind, "publisher", "") for name, kind in catalogue().items()}
    for step in chat.trace(followed):
        if step.step == "published" and publishers[step.type]:
            assert step.service == publishers[step.type]


def lab_services(chat, correlation_id: str) -> bool:
    services = {step.service for step in chat.trace(correlation_id)}
    return services == {"gateway", "controller", "activity", "notifications", "replica"}


def log_in(url: str, user: str, password: str) -> tuple[int, str]:
    body = json.dumps({"user": user, "password": password}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/login", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_mariadb_stopped_while_running_is_said_and_got_over(chat, database):
    async with Person(a_name(), chat.url) as ana:
        room = await a_room(ana)
        await asyncio.to_thread(database.kill)
        status, said = await asyncio.to_thread(log_in, chat.url, ana.name, "whatever it is")
        assert status == 503
        assert "does not answer" in said
        await ana.says("those who are in can go on", room)
        await ana.until(lambda: ana.texts(room))
        await asyncio.to_thread(database.restart)
        status, _ = await asyncio.to_thread(log_in, chat.url, ana.name, "whatever it is")
        assert status == 401


def test_every_service_says_who_it_is_to_rabbitmq(chat, broker):
    """The queues of all services are there, so what one publishes waits for another."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        for name in ("activity", "notifications", "dead-letters", "controller.0"):
            assert channel.queue_declare(name, passive=True).method.queue == name
    assert set(registry.NAMES) <= set(chat.processes)
