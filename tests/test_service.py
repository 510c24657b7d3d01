"""A service's handlers: what they return is published, what they fail on is set aside."""

import asyncio
import errno
from contextlib import asynccontextmanager
from itertools import chain

import pytest

from nochat.bus import connect
from nochat.bus.memory import brokers
from nochat.errors import BusError, Busy, Fatal, NochatError, RequestFailed, Unavailable
from nochat.lab import checks
from nochat.protocol.commands import SendMessage
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomJoined, UserNotified
from nochat.protocol.reasons import log_in_busy, name_taken
from nochat.protocol.requests import (
    AllRooms,
    CreateUser,
    FindUser,
    Found,
    GetAllRooms,
    GetRoomState,
    OpenSession,
    RoomInfo,
    RoomState,
    SearchMessages,
    Session,
    WhoIs,
)
from nochat.runtime import bootstrap
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import Seen, message, queue_of, shard_queue_of_all


@pytest.fixture
def settings():
    return Settings(bus_url=f"memory://{new_id()}")


@asynccontextmanager
async def running(service, settings):
    """The service, and a bus of one's own."""
    async with (
        connect(settings.bus_url, service.name) as bus,
        connect(settings.bus_url, "test") as ours,
        service.running(bus, settings),
    ):
        yield ours


def dead_letters(settings):
    dead = brokers[settings.bus_url].queues["dead-letters"].messages
    return [(letter.body, letter.headers["x-nochat-reason"]) for letter in dead]


async def test_results_of_a_handler_are_published_in_its_correlation(settings):
    service = Service("echo")

    @service.on(MessageSent)
    async def answer(heard: MessageSent) -> SendMessage:
        return SendMessage(heard.room, "echo", heard.id, heard.text)

    async with running(service, settings) as bus:
        seen = Seen()
        await bus.subscribe(shard_queue_of_all(), seen)
        sent = message(1)
        await bus.publish(sent)
        await seen.count(1)
    [command] = seen.events
    assert command.text == sent.text
    assert command.correlation_id == sent.correlation_id


async def test_a_handler_of_many_gets_all_that_is_due_in_order(settings):
    service, batches = Service("many"), []

    @service.on(MessageSent, RoomJoined, batch=True)
    async def take(events) -> None:
        batches.append([event.position for event in events])

    async with running(service, settings) as bus:
        await bus.publish(*(message(n) for n in range(5)), RoomJoined("lobby", 5, "bob"))
        assert await checks.until(lambda: [*chain(*batches)] == [0, 1, 2, 3, 4, 5])
    assert len(batches) < 4


async def test_a_poisonous_event_is_set_aside_and_its_neighbours_handled(settings):
    service, handled = Service("picky"), []

    @service.on(MessageSent, batch=True)
    async def take(events) -> None:
        if any(event.text == "poison" for event in events):
            raise ValueError("can't swallow that")
        handled.extend(event.position for event in events)

    async with running(service, settings) as bus:
        await bus.publish(message(1), message(2, "poison"), message(3))
        assert await checks.until(lambda: handled == [1, 3])
        [(body, reason)] = dead_letters(settings)
    assert b"poison" in body
    assert reason == "ValueError: can't swallow that"


@pytest.mark.parametrize(
    "passing",
    [
        Unavailable("the store is away"),
        OSError(errno.ENOSPC, "No space left on device"),
        BusError("RabbitMQ refused a message (a full queue or disk)"),
        MemoryError(),
    ],
    ids=repr,
)
async def test_an_event_waits_while_its_surroundings_fail(settings, passing):
    service, tries, handled = Service("patient"), [], []

    @service.on(MessageSent)
    async def take(event) -> None:
        tries.append(event.position)
        if len(tries) < 5:
            raise passing
        handled.append(event.position)

    async with running(service, settings) as bus:
        await bus.publish(message(1))
        assert await checks.until(lambda: handled)
        assert dead_letters(settings) == []
    assert tries == [1] * 5


async def test_a_request_is_answered_with_what_the_handler_returns(settings):
    service = Service("users")
    heard = Seen()

    @service.on(WhoIs)
    async def who(request: WhoIs) -> list:
        mention = UserNotified("ana", "lobby", 1, "bob", "x", "mention")
        return [mention, Session(user=request.token.upper())]

    async with running(service, settings) as bus:
        await bus.subscribe(queue_of(UserNotified), heard)
        asked = WhoIs(token="ana")
        reply = await bus.request(asked)
        await heard.count(1)
    assert reply.user == "ANA"
    assert reply.correlation_id == asked.correlation_id


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (RequestFailed(name_taken()), RequestFailed, "name is taken"),
        (Unavailable("the database is away"), Unavailable, "the database is away"),
        (Busy(log_in_busy(), 2.0), Busy, "many people are logging in"),
        (ZeroDivisionError("1/0 in line 7"), RequestFailed, "users failed; its log says why"),
        (NochatError("mysql://its-place"), RequestFailed, "users failed; its log says why"),
    ],
)
async def test_an_error_reaches_whoever_asked(settings, error, expected, said):
    service = Service("users")

    @service.on(WhoIs)
    async def who(request) -> Session:
        raise error

    async with running(service, settings) as bus:
        with pytest.raises(expected, match=said):
            await bus.request(WhoIs(token="x"))


async def test_costly_requests_run_one_by_one_and_delay_no_others(settings):
    service, at_once, most, go = Service("activity"), 0, 0, asyncio.Event()

    @service.on(SearchMessages)
    async def search(request: SearchMessages) -> Found:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await go.wait()
        at_once -= 1
        return Found()

    @service.on(GetAllRooms)
    async def rooms(request: GetAllRooms) -> AllRooms:
        return AllRooms()

    async with running(service, settings) as bus:
        searches = [bus.request(SearchMessages(user="ana", text="x")) for _ in range(4)]
        asked = asyncio.gather(*searches)
        assert await checks.until(lambda: at_once == 1)
        assert await bus.request(GetAllRooms()) is not None
        go.set()
        assert len(await asyncio.wait_for(asked, 5)) == 4
    assert most == 1


async def test_a_store_that_was_stalled_does_not_work_off_what_nobody_waits_for(settings):
    service, go, searched = Service("activity"), asyncio.Event(), []

    @service.on(SearchMessages)
    async def search(request: SearchMessages) -> Found:
        searched.append(request.text)
        await go.wait()
        return Found()

    async with running(service, settings) as bus:
        asked = [
            bus.request(SearchMessages(user="ana", text=f"{n}"), timeout=0.5) for n in range(5)
        ]
        await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(Unavailable):  # later than any of those
            await bus.request(SearchMessages(user="ana", text="5"), timeout=0.5)
        go.set()
        assert await bus.request(SearchMessages(user="ana", text="prompt"))
    assert [*searched[:1], searched[-1]] == ["0", "prompt"]
    assert not {"1", "2", "3", "4"} & {*searched}


async def test_nobody_waits_behind_log_ins(settings):
    """Neither who has a session, nor, among those who come, one behind another."""
    service, come, go_on = Service("users"), [], asyncio.Event()

    @service.on(OpenSession, CreateUser)
    async def hash_password(request) -> Session:
        come.append(request.user)
        await go_on.wait()
        return Session(user=request.user)

    @service.on(WhoIs)
    async def who(request: WhoIs) -> Session:
        return Session(user=request.token)

    crowd = [OpenSession(user="ana", password="x" * 8), CreateUser(user="bob", password="x" * 8)]
    async with running(service, settings) as bus:
        first = asyncio.create_task(bus.request(OpenSession(user="eve", password="")))
        assert await checks.until(lambda: come == ["eve"])
        others = [asyncio.create_task(bus.request(request)) for request in crowd]
        assert (await bus.request(WhoIs(token="ida"))).user == "ida"
        go_on.set()
        go_on = asyncio.Event()
        assert (await first).user == "eve"
        assert await checks.until(lambda: come == ["eve", "ana", "bob"])
        go_on.set()
        assert [(await answer).user for answer in others] == ["ana", "bob"]


async def test_a_resource_is_opened_before_and_closed_after(settings):
    service, noted = Service("store"), []

    @service.resource
    @asynccontextmanager
    async def store(context):
        noted.append("open")
        yield "the store"
        noted.append("closed")

    @service.on(MessageSent)
    async def take(event, context) -> None:
        noted.append(context.resource)

    async with running(service, settings) as bus:
        await bus.publish(message(1))
        assert await checks.until(lambda: len(noted) == 2)
    assert noted == ["open", "the store", "closed"]


def test_a_type_has_one_handler():
    service = Service("twice")
    service.on(MessageSent)(lambda event: None)
    with pytest.raises(ValueError, match="MessageSent"):
        service.on(MessageSent)


def test_a_reply_has_no_handler():
    with pytest.raises(ValueError, match="Session"):
        Service("odd").on(Session)


async def test_a_question_that_nobody_handles_is_answered_and_not_kept(settings):
    service = Service("users")

    @service.on(WhoIs)
    async def who(request: WhoIs) -> Session:
        return Session()

    async with running(service, settings) as bus:
        with pytest.raises(RequestFailed, match="users does not handle it"):
            await bus.request(FindUser(user="ana"))
        assert dead_letters(settings) == []


async def test_questions_that_outlived_their_askers_are_passed_over_and_not_kept(
    settings, monkeypatch
):
    """The store is away, people ask, and give up: when it is back, it has better things to do."""
    monkeypatch.setattr(
        "nochat.protocol.requests.CLOCKS", 0.1
    )  # one clock: no difference to allow for
    service, answered = Service("activity", single_active_consumer=True), []

    @service.on(GetRoomState)
    async def state(request: GetRoomState) -> RoomState:
        answered.append(request.room)
        return RoomState(room=RoomInfo(room=request.room))

    async with connect(settings.bus_url) as bus:
        await bus.declare(*service.queues(settings))
        for room in ("old", "older"):
            with pytest.raises(Unavailable, match="did not answer"):
                await bus.request(GetRoomState(room=room), timeout=0.1)
        with pytest.raises(Unavailable):
            await bus.request(GetRoomState(room="oldest"), timeout=0.1)
        async with running(service, settings) as ours:
            await ours.request(GetRoomState(room="new"))
        assert dead_letters(settings) == []
    assert answered[-1] == "new"
    assert "old" not in answered


async def test_a_fatal_error_stops_the_chat_and_its_event_is_kept(tmp_path):
    service = Service("careful")
    settings = Settings(bus_url=f"journal://{tmp_path}/bus", data_dir=str(tmp_path))

    @service.on(MessageSent)
    async def take(event: MessageSent) -> None:
        raise Fatal("two chats write to one store")

    async def run():
        async with bootstrap.started([service], settings), connect(settings.bus_url) as bus:
            await bus.publish(message(1))
            await asyncio.Event().wait()

    with pytest.raises(Fatal, match="two chats"):
        await run()
    async with connect(settings.bus_url) as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent, name="careful"), seen)
        await seen.count(1)
    assert seen.positions == [1]
