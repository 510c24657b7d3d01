"""The exercises of notebook 00, proved both ways: right answers pass, each mistake is named."""

import asyncio
import uuid

import aiohttp
import pytest
import socketio

from nochat.lab import chat as lab
from nochat.lab import exercise, page
from nochat.lab.exercise.catalogue import find
from nochat.lab.exercise.first_steps import KINDS
from nochat.lab.people import Person
from tests.clients.visitor import Visitor
from tests.exercises.solutions import solved

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def chat():
    with lab.start(**lab.UNLIMITED) as chat:
        yield chat


# ---- 00a ----------------------------------------------------------------------------------------


@pytest.fixture
def fresh():
    """A chat in which nobody has spoken."""
    with lab.start(**lab.UNLIMITED) as chat:
        yield chat


async def by_hand(url, *texts, name=""):
    """Come in as a program of one's own does, without the course's people."""
    name = name or f"own-{uuid.uuid4().hex[:8]}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        account = {"user": name, "password": uuid.uuid4().hex}
        async with http.post(f"{url}/api/register", json=account) as response:
            assert response.status == 200
        socket = socketio.AsyncSimpleClient(http_session=http)
        await socket.connect(url, transports=["websocket"])
        await socket.call("join", {"room": "lobby"})
        await _until_joined(socket)
        for text in texts:
            said = {"room": "lobby", "client_id": uuid.uuid4().hex, "text": text}
            assert "error" not in await socket.call("message", said)
        await socket.disconnect()


async def _until_joined(socket):
    while True:
        event, *data = await socket.receive(timeout=10)
        if event == "entries" and data[0]["room"] == "lobby":
            return


async def test_somebody_who_speaks_by_the_page_passes(chat):
    async with page.browser() as browser:
        student = Visitor(f"student-{uuid.uuid4().hex[:8]}", chat.url, await browser.new_page())
        await student.arrive()
        await student.says("Here I am.")
    verdict = await exercise.check("00a", chat)
    assert verdict.passed, verdict


async def test_somebody_who_speaks_by_a_program_of_their_own_passes(fresh):
    await by_hand(fresh.url, "Here I am.")
    assert (await exercise.check("00a", fresh)).passed


async def test_the_solution_of_the_course_speaks(fresh):
    await asyncio.to_thread(solved, "00a", running=fresh)
    assert (await exercise.check("00a", fresh)).passed


async def test_a_chat_in_which_nobody_speaks_is_untouched_then_each_step_is_named(fresh):
    assert (await exercise.check("00a", fresh)).mistake == "untouched"
    async with Person("ana", fresh.url) as ana:
        await ana.says("Hello, is anybody here?")
    only_ana = await exercise.check("00a", fresh)
    assert (only_ana.mistake, "ana" in only_ana.said) == ("only_cells", True)
    await by_hand(fresh.url)
    assert (await exercise.check("00a", fresh)).mistake == "silent"
    fresh.stop()
    assert (await exercise.check("00a", fresh)).mistake == "stopped"


async def test_a_student_who_takes_a_name_of_a_later_cell_is_told_before_that_cell(fresh):
    await by_hand(fresh.url, "Here I am.", name="cleo")
    verdict = await exercise.check("00a", fresh)
    assert (verdict.mistake, "but cleo" in verdict.said) == ("only_cells", True)


WRONG_00A = {"untouched", "only_cells", "silent", "stopped"}  # in the test above

# ---- 00b ----------------------------------------------------------------------------------------

READERS = {"activity", "replica", "gateway"}
TABLE = {
    "creates a room": [{"controller"}, {"controller"}, READERS, set()],
    "writes": [{"controller"}, {"controller"}, READERS | {"notifications"}, set()],
    "mentions": [{"controller"}, {"controller"}, READERS | {"notifications"}, READERS],
    "edits": [{"controller"}, {"controller"}, READERS, set()],
    "reacts": [{"controller"}, {"controller"}, READERS, set()],
}


def by_rule(kind):
    """Answer with a function, and with other ways to write a set."""
    looks = ["notifications"] if kind in {"writes", "mentions"} else []
    return {
        "command": "controller",
        "publishes": ("controller",),
        "event": ["Gateway", "activity", "replica", *looks],
        "notified": "activity, replica, gateway" if kind == "mentions" else None,
    }


def wrongly(place, names):
    """The right table but for one place of each row."""
    return {kind: [*row[:place], names, *row[place + 1 :]] for kind, row in TABLE.items()}


def breaks(kind):
    raise LookupError(kind)


WRONG_00B = {
    "no_row": {kind: TABLE[kind] for kind in [*KINDS][:-1]},
    "untouched": {kind: [..., ..., ..., ...] for kind in KINDS},
    "shape": {kind: [{"controller"}, READERS] for kind in KINDS},
    "unknown": wrongly(1, {"rabbitmq"}),
    "mixed_up": {kind: [row[2], row[1], row[0], row[3]] for kind, row in TABLE.items()},
    "carrier": wrongly(0, {"gateway"}),
    "command": wrongly(0, {"controller", "activity"}),
    "publisher": wrongly(1, {"gateway"}),
    "own_event": wrongly(2, READERS | {"controller", "notifications"}),
    "forgotten": wrongly(2, {"gateway"}),
    "too_many": wrongly(2, READERS | {"users"}),
    "notified": wrongly(3, {"gateway"}),
    "failed": breaks,
}


@pytest.mark.parametrize("answer", [TABLE, by_rule], ids=["a table", "a function"])
async def test_predictions_that_the_traces_confirm_pass(answer, chat):
    verdict = await exercise.check("00b", answer, chat=chat)
    assert verdict.passed, verdict


async def test_the_solution_of_the_course_predicts_what_happens(chat):
    verdict = await exercise.check("00b", solved("00b")["prediction"], chat=chat)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_00B)
async def test_a_mistake_in_predictions_is_named(mistake, chat):
    verdict = await exercise.check("00b", WRONG_00B[mistake], chat=chat)
    assert verdict.mistake == mistake, verdict


async def test_no_prediction_at_all_is_untouched(chat):
    assert (await exercise.check("00b", ..., chat=chat)).mistake == "untouched"


async def test_predictions_about_a_chat_that_is_gone_say_so(fresh):
    fresh.stop()
    assert (await exercise.check("00b", TABLE, chat=fresh)).mistake == "stopped"


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*find("00a").mistakes} == WRONG_00A
    assert {*find("00b").mistakes} == {*WRONG_00B, "stopped"}
