"""`nochat.testing`: services of one's own are tried without servers."""

import sys

import pytest

from nochat import testing
from nochat.errors import NochatError, RequestFailed
from nochat.protocol.commands import CreateRoom, JoinRoom, ModerateMember, SendMessage
from nochat.protocol.events import MessageSent, UserNotified
from nochat.protocol.requests import GetHistory, GetRoomState
from nochat.service import Service
from nochat.settings import Settings
from nochat.testing import Chat
from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def program(own_module):
    """Gives a program of a user's by its name."""
    return lambda name: own_module(str(ROOT / "tests" / "programs" / f"{name}.py"))


def parrot(loops=False):
    service = Service("parrot")

    @service.on(MessageSent)
    async def repeat(said):
        if loops or said.sender != "parrot":
            return [
                JoinRoom(said.room, "parrot"),
                SendMessage(said.room, "parrot", client_id=said.id, text=said.text),
            ]
        return None

    return service


async def test_replies_of_a_service_are_there_when_say_returns():
    async with Chat(parrot()) as chat:
        await chat.person("ana").say("hello")
        room = chat.room()
        assert [(said.sender, said.text) for said in room.messages] == [
            ("ana", "hello"),
            ("parrot", "hello"),
        ]
        assert room.texts(by="parrot") == ["hello"]
        assert room.members == ["ana", "parrot"]


async def test_a_service_with_events_and_requests_of_its_own(program):
    async with Chat(program("polls").service) as chat:
        ana, bob = chat.person("ana"), chat.person("bob")
        for person in (ana, bob):
            await person.say("+tea")
        events = sys.modules["poll_events"]
        assert [type(event).__name__ for event in chat.events(events.VoteCast)] == [
            "PollOpened",
            "VoteCast",
        ]
        poll = await chat.bus.request(events.GetPoll(room="lobby"))
        assert poll.votes == {"tea": 2}
        assert chat.room().texts(by="polls") == ["tea: 1", "tea: 2"]


async def test_mentions_rooms_and_moderation_are_the_chat_s_own():
    async with Chat() as chat:
        ana, bob = chat.person("ana"), chat.person("bob")
        await ana.do(CreateRoom("garden", "ana", "The garden"))
        await bob.say("hello @ana", "garden")
        assert [event.user for event in chat.events(UserNotified)] == ["ana"]
        await ana.do(ModerateMember("garden", "ana", "bob", "ban"))
        assert chat.room("garden").members == ["ana"]
        with pytest.raises(RequestFailed, match="you are banned") as refused:
            await bob.say("again", "garden")
        assert refused.value.reason.code == "room.banned"
        state = await chat.bus.request(GetRoomState(room="garden"))
        assert (state.room.title, state.room.owner, state.room.banned) == (
            "The garden",
            "ana",
            ["bob"],
        )


async def test_history_is_given_in_parts():
    async with Chat() as chat:
        ana = chat.person("ana")
        for number in range(3):
            await ana.say(str(number))

        async def texts(**part):
            answer = await chat.bus.request(GetHistory(user=None, room="lobby", **part))
            said = [getattr(entry, "text", type(entry).__name__) for entry in answer.entries]
            return said, answer.more

        assert await texts(limit=2) == (["1", "2"], True)
        last = chat.room().messages[-1].position
        assert await texts(after=last - 2, limit=1) == (["1"], True)
        assert await texts(before=last, limit=1) == (["1"], True)


async def test_a_bot_joins_the_rooms_that_were_there_before_it(program):
    librarian = program("librarian").service
    async with Chat() as chat:
        ana, rooms = chat.person("ana"), [f"room-{number}" for number in range(25)]
        for room in rooms:
            await ana.do(CreateRoom(room, "ana", room))
        await ana.do(CreateRoom(hidden := f"hidden-{'0' * 16}", "ana", "Hidden", private=True))
        async with librarian.running(chat.bus, Settings()):
            await ana.do(CreateRoom("later", "ana", "Later"))
            for room in (*rooms, "later"):
                assert chat.room(room).members == ["ana", "librarian"]
            assert chat.room(hidden).members == ["ana"]
            await ana.say("@librarian?", rooms[0])
            assert chat.room(rooms[0]).texts(by="librarian") == ["Quiet, please."]


async def test_events_of_other_services_are_published(program):
    async with Chat(program("greeter").service) as chat:
        await chat.person("ana").join()
        await chat.publish(UserNotified("greeter", "lobby", 1, "bob", "hi @greeter", "mention"))
        assert chat.room().texts(by="greeter") == ["Welcome, ana", "Yes, bob?"]


async def test_a_service_that_fails_is_named_with_its_error():
    service = Service("broken")

    @service.on(MessageSent)
    async def fail(_):
        raise LookupError("no such shelf")

    async with Chat(service) as chat:
        with pytest.raises(NochatError, match=r"broken failed at message\.sent: LookupError: no"):
            await chat.person("ana").say("hello")


async def test_a_service_that_answers_itself_for_ever_is_found_out(monkeypatch):
    monkeypatch.setattr(testing, "PATIENCE", 0.5)
    async with Chat(parrot(loops=True)) as chat:
        with pytest.raises(NochatError, match="is it a loop"):
            await chat.person("ana").say("hello")


async def test_a_service_takes_the_place_of_one_of_the_chat():
    async with Chat(Service("notifications")) as chat:
        await chat.person("ana").join()
        await chat.person("bob").say("hello @ana")
        assert chat.events(UserNotified) == []
