"""Each file on the page "Add a microservice", taken from that very page, does what it says."""

import re
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from nochat.bus import Binding, Queue, connect
from nochat.bus.routing import EVENTS
from nochat.lab import checks
from nochat.protocol.commands import JoinRoom, SendMessage
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.protocol.fields import LOBBY
from nochat.protocol.requests import GetHistory
from nochat.runtime.bootstrap import started
from nochat.runtime.registry import services
from nochat.settings import Settings
from tests import queues

PAGE = Path(__file__).parents[1] / "docs" / "add-a-microservice.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
MOST_LINES = 13
QUEUES = queues.of_the_chat() | {"echo"}
SECONDS = 20


def files():
    """The blocks of the page by the name of their file: that of their service."""
    for block in BLOCKS:
        named = re.search(r'^service = Service(?:\[.+\])?\("(\w+)"', block, re.MULTILINE)
        yield (f"{named[1]}.py" if named else "test_echo.py"), block


@pytest.fixture
def module(tmp_path, own_module):
    """Gives what the page has, by its name: from files that are all in one folder."""
    for name, block in files():
        (tmp_path / name).write_text(block)
    return lambda name: own_module(str(tmp_path / f"{name}.py"))


@pytest.fixture
def echo(module):
    return module("echo").service


@pytest.fixture(params=["memory", pytest.param("amqp", marks=pytest.mark.timeout(180))])
def bus_url(request):
    if request.param == "memory":
        yield f"memory://{new_id()}"
        return
    url = request.getfixturevalue("rabbitmq_server").url
    yield url
    queues.delete(url, QUEUES)


@pytest.fixture
def settings(bus_url, mongodb_server, tmp_path):
    database = f"{mongodb_server.url}/echo{new_id()[:8]}"
    return Settings(bus_url=bus_url, activity_url=database, data_dir=str(tmp_path), port=0)


@pytest.fixture
def memory(mongodb_server, tmp_path):
    database = f"{mongodb_server.url}/page{new_id()[:8]}"
    url = f"memory://{new_id()}"
    return Settings(bus_url=url, activity_url=database, data_dir=str(tmp_path), port=0)


@asynccontextmanager
async def heard_by(url):
    """What happens in rooms, as anybody may hear it."""
    heard: list = []

    async def note(batch):
        heard.extend(batch.events)
        batch.ack()

    async with connect(url, "listener") as bus:
        name = f"listener.{new_id()}"
        bindings = Binding(EVENTS, "message.#"), Binding(EVENTS, "room.#")
        await bus.subscribe(Queue(name, bindings, durable=False, exclusive=True), note)
        yield bus, heard


async def until(condition):
    assert await checks.until(condition, SECONDS)


def lines_of(code):
    return [line for line in code.splitlines() if line.strip()]


def test_it_is_about_ten_lines():
    assert len(lines_of(BLOCKS[0])) <= MOST_LINES


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_block_of_the_page_fits_on_it(block):
    assert max(map(len, block.splitlines())) <= 80


def test_each_block_of_the_page_is_run():
    names = [name for name, _ in files()]
    assert names == ["echo.py", "counter.py", "audit.py", "dice.py", "luck.py", "test_echo.py"]


def test_each_event_that_the_page_imports_is_in_the_catalogue(echo):
    assert echo.name == "echo"
    assert echo.consumes == [RoomJoined, MessageSent]


async def test_it_answers_once_also_when_the_message_is_delivered_twice(echo, settings):
    wanted = [*services(["activity", "controller"]), echo]
    async with heard_by(settings.bus_url) as (bus, heard), started(wanted, settings):

        def said(sender):
            return [e for e in heard if isinstance(e, MessageSent) and e.sender == sender]

        await bus.publish(JoinRoom(LOBBY, "ana"))
        await until(lambda: {"ana", "echo"} <= {e.user for e in heard if isinstance(e, RoomJoined)})
        await bus.publish(SendMessage(LOBBY, "ana", "c1", "hello"))
        await until(lambda: said("echo"))

        await bus.publish(said("ana")[0])  # the same event once more
        await bus.publish(SendMessage(LOBBY, "ana", "c2", "bye"))
        await until(lambda: len(said("echo")) > 1)

        answers = ["You said: hello", "You said: bye"]
        assert [answer.text for answer in said("echo")] == answers
        stored = await bus.request(GetHistory(user=None, room=LOBBY))
        by_echo = [entry.text for entry in stored.entries if getattr(entry, "sender", "") == "echo"]
        assert by_echo == answers


async def test_it_counts_the_members_of_a_room(module, memory):
    wanted = [*services(["activity", "controller"]), module("counter").service]
    async with heard_by(memory.bus_url) as (bus, heard), started(wanted, memory):

        def said():
            return [e.text for e in heard if isinstance(e, MessageSent) and e.sender == "counter"]

        await bus.publish(JoinRoom(LOBBY, "ana"))
        joined = {"ana", "counter"}
        await until(lambda: joined <= {e.user for e in heard if isinstance(e, RoomJoined)})
        await bus.publish(SendMessage(LOBBY, "ana", "c1", "/members"))
        await until(said)
        assert said() == ["2 are in this room"]


async def test_it_stores_what_was_said_once(module, memory):
    service = module("audit").service
    async with connect(memory.bus_url) as bus, service.running(bus, memory):
        said = [MessageSent(LOBBY, number, "ana", f"c{number}", f"{number}") for number in range(3)]
        await bus.publish(*said, *said)
        await until(lambda: sum(bus.tally.handled.values()) == 2 * len(said))
    with closing(sqlite3.connect(memory.data_path / "audit.db")) as database:
        assert database.execute("SELECT text FROM said").fetchall() == [("0",), ("1",), ("2",)]


async def test_dice_are_rolled_and_others_know_the_total(module, memory):
    luck, dice = module("luck"), module("dice")
    async with (
        connect(memory.bus_url) as bus,
        dice.service.running(bus, memory),
        luck.service.running(bus, memory),
    ):
        await bus.publish(MessageSent(LOBBY, 1, "ana", "c1", "/roll"))
        await until(lambda: bus.tally.handled.get("dice.rolled"))
        answer = await bus.request(luck.GetLuck(user="ana"))
        assert 1 <= answer.total <= 6


async def test_the_test_on_the_page_passes(module):
    await module("test_echo").test_the_echo_answers()
