"""The exercise of notebook 03 on a service of one's own, proved both ways."""

from pathlib import Path

import pytest

from nochat.lab import exercise
from nochat.lab.exercise import crashes
from nochat.lab.exercise.catalogue import find
from nochat.protocol.envelope import new_id
from nochat.runtime.bootstrap import started
from nochat.runtime.registry import services
from nochat.settings import Settings
from tests import queues
from tests.exercises.solutions import solution

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

HEAD = """
import random
from nochat.protocol.commands import JoinRoom, SendMessage
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.protocol.envelope import new_id
from nochat.service import Context, Service

service = Service("dice")
"""
FOLLOW = """
@service.on(RoomJoined)
async def follow(event):
    return JoinRoom(event.room, user="dice")
"""
ROLL = """
@service.on(MessageSent)
async def roll(said):
    if {condition}:
        text = {text}
        return SendMessage({room}, "dice", client_id={id}, text=text)
"""


def service(
    condition="said.text == '/roll'",
    text="str(random.randint(1, 6))",
    room="said.room",
    id="said.id",
    follow=FOLLOW,
):
    return HEAD + follow + ROLL.format(condition=condition, text=text, room=room, id=id)


# It joins the rooms that there are, takes batches, replies, and makes its ids otherwise.
OTHERWISE = """
from contextlib import asynccontextmanager
from nochat.protocol import commands, events, requests
from nochat.service import Service

service = Service("dice")
FACES = "⚀⚁⚂⚃⚄⚅"

@service.resource
@asynccontextmanager
async def rooms(context):
    await context.bus.declare(*service.queues(context.settings))
    there = await context.bus.request(requests.FindRooms())
    await context.bus.publish(*(commands.JoinRoom(room.room, "dice") for room in there.rooms))
    yield

@service.on(events.RoomCreated)
async def come(event):
    return commands.JoinRoom(event.room, "dice")

@service.on(events.MessageSent, batch=True)
async def roll(several):
    return [
        commands.SendMessage(
            said.room, "dice", f"roll {said.position}", FACES[int(said.id, 16) % 6], said.position
        )
        for said in several
        if said.text == "/roll"
    ]
"""
ON_DISK = """
from pathlib import Path

@service.on(RoomJoined)
async def follow(event):
    return JoinRoom(event.room, user="dice")

@service.on(MessageSent)
async def roll(said, context):
    done = context.settings.data_path / said.id
    if said.text == "/roll" and not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
        return SendMessage(said.room, "dice", client_id=new_id(), text=f"{random.randint(1, 6)}!")
"""
WRONG = {
    "untouched": HEAD + "...",
    "named": service().replace('Service("dice")', 'Service("echo")'),
    "silent": service(condition="said.text == '/role'"),
    "refused": service(follow=""),
    "room": service(room="'lobby'"),
    "talkative": service(condition="said.text.startswith('/roll')"),
    "loop": service(condition="True"),
    "number": service(text="f'{said.sender} rolls {random.randint(7, 12)}'"),
    "loaded": service(text="f'{said.sender} rolls {random.Random(3).randint(1, 6)}'"),
    "twice": service(id="new_id()"),
    "swallowed": service(id="said.client_id"),
    "lost": HEAD + ON_DISK,
    "failed": service(text="said.words"),
}


@pytest.fixture
def written(tmp_path):
    """Writes a file `dice.py`, and gives its path."""

    def write(code):
        file = tmp_path / "dice.py"
        file.write_text(code)
        return str(file)

    return write


def given_solution():
    """The notebook's solution, without the line that writes it to a file."""
    return solution("03b").partition("\n")[2]


@pytest.mark.parametrize("code", [service(), OTHERWISE], ids=["like the echo", "otherwise"])
async def test_a_service_with_one_answer_for_each_event_passes(code, written):
    verdict = await exercise.check("03b", written(code))
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_of_a_service_is_named(mistake, written):
    verdict = await exercise.check("03b", written(WRONG[mistake]))
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize(
    ("code", "mistake"),
    [
        (service(condition="'/roll' in said.text"), "talkative"),
        (service(condition="said.text == '/roll' and said.room == 'lobby'"), "silent"),
        (service(id="f'{said.sender} rolls'"), "swallowed"),
        (
            service(condition="said.text == '/roll' and said.id not in done", id="new_id()")
            .replace("        text", "        done.add(said.id)\n        text")
            .replace("service = ", "done = set()\nservice = "),
            "twice",
        ),
        (service().replace('"dice", client_id', '"echo", client_id'), "named"),
        ("a syntax error", "failed"),
        ("service = None", "failed"),
    ],
)
async def test_other_mistakes_of_a_service_are_named(code, mistake, written):
    verdict = await exercise.check("03b", written(code))
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize("answer", [..., "/nowhere/dice.py"])
async def test_what_is_no_file_is_said(answer):
    verdict = await exercise.check("03b", answer)
    assert verdict.mistake == "failed", verdict


@pytest.fixture
async def chat(rabbitmq_server, mongodb_server, tmp_path):
    """The services that decide and store, on RabbitMQ."""
    database = f"{mongodb_server.url}/own{new_id()[:8]}"
    url = rabbitmq_server.url
    settings = Settings(bus_url=url, activity_url=database, data_dir=str(tmp_path), port=0)
    async with started(services(["activity", "controller"]), settings):
        yield url
    queues.delete(url, queues.of_the_chat())


async def test_the_solution_of_03b_is_killed_before_its_ack_on_rabbitmq(chat, written):
    verdict = await exercise.check("03b", written(given_solution()), url=chat)
    assert verdict.passed, verdict


async def test_on_rabbitmq_an_event_comes_again_after_the_kill(chat, written, tmp_path):
    file = Path(written(service(id="new_id()")))
    seen = await crashes.crash(file, "dice", chat, tmp_path)
    assert [len(answers) for _, answers in seen] == [2, 1]


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG} == {*find("03b").mistakes}
