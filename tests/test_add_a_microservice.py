"""The ten lines of the page "Add a microservice", taken from that very page, do what it says."""

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nochat import events
from nochat.bootstrap import started
from nochat.bus import Batch, Binding, Queue, connect
from nochat.bus.routing import EVENTS, shard_queue
from nochat.events import LOBBY, JoinRoom, MessageSent, RoomJoined, SendMessage
from nochat.lab import checks
from nochat.registry import services
from nochat.requests import GetHistory
from nochat.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "add-a-microservice.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
MOST_LINES = 12
SECONDS = 20


@pytest.fixture
def echo(tmp_path, own_module):
    file = tmp_path / "echo.py"
    file.write_text(BLOCKS[0])
    return own_module(str(file)).service


@pytest.fixture(params=["memory", pytest.param("amqp", marks=pytest.mark.timeout(180))])
def bus_url(request):
    if request.param == "memory":
        return f"memory://{events.new_id()}"
    return request.getfixturevalue("rabbitmq_server").url


@pytest.fixture
def settings(bus_url, mongodb_server, tmp_path):
    database = f"{mongodb_server.url}/echo{events.new_id()[:8]}"
    return Settings(bus_url=bus_url, activity_url=database, data_dir=str(tmp_path), port=0)


@asynccontextmanager
async def heard_by(url):
    """What happens in rooms, as anybody may hear it."""
    heard: list = []

    async def note(batch):
        heard.extend(batch.events)
        batch.ack()

    async with connect(url, "listener") as bus:
        name = f"listener.{events.new_id()}"
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
def test_each_block_of_the_page_is_python_that_fits_on_it(block):
    compile(block, PAGE.name, "exec")
    assert max(map(len, block.splitlines())) <= 80


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


async def test_the_test_on_the_page_passes(echo):
    names = {"asyncio": asyncio, "connect": connect, "Batch": Batch, "shard_queue": shard_queue}
    names |= {"service": echo, "Settings": Settings, "MessageSent": MessageSent}
    exec(BLOCKS[-1], names)
    await names["test_the_echo_answers"]()
