"""What an event does to a room is the same in the controller, in the store and on the page."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nochat.domain.decisions import decide, execute
from nochat.domain.room import Room, direct_room
from nochat.protocol import payloads
from nochat.protocol.commands import (
    CreateRoom,
    InviteUser,
    JoinRoom,
    ModerateMember,
    OpenDirect,
    React,
    SendMessage,
)
from nochat.protocol.events import MessageSent, RoomEvent
from nochat.protocol.fields import LOBBY
from nochat.stores.activity import ActivityStore
from tests.domain.test_room import ACTIONS, any_command, erasures, users

BIN = Path(sys.executable).parent
PAGE = Path(__file__).with_name("page_room.mjs")

actions = st.sampled_from(ACTIONS)
DIRECT = direct_room("ana", "bob")
BEGINNINGS = {
    "r": [CreateRoom("r", "ana", "Room"), JoinRoom("r", "bob")],
    "p": [
        CreateRoom("p", "ana", "Private", private=True),
        InviteUser("p", "ana", "bob"),
        InviteUser("p", "ana", "eve"),
        JoinRoom("p", "bob"),
    ],
    LOBBY: [JoinRoom(LOBBY, "ana"), JoinRoom(LOBBY, "bob")],
    DIRECT: [OpenDirect(DIRECT, "ana", "bob")],
}
# By chance alone, few commands have an effect: every other one is a manager's, or a return.
effective = st.one_of(
    st.builds(ModerateMember, st.just("r"), st.just("boss"), users, actions, st.just(True)),
    st.builds(JoinRoom, st.just("r"), users),
    st.builds(React, st.just("r"), users, st.integers(3, 6), st.sampled_from("+-"), st.booleans()),
)
some = st.lists(
    st.booleans().flatmap(lambda takes_effect: effective if takes_effect else any_command),
    min_size=15,
)


@st.composite
def histories(draw):
    """Commands in a room where two have written already, and maybe one deletes their account."""
    room = draw(st.sampled_from(list(BEGINNINGS)))
    written = [SendMessage(room, "ana", "a", "one"), SendMessage(room, "bob", "b", "two")]
    then = draw(some) + draw(st.lists(erasures, max_size=1)) + draw(some)
    return [*BEGINNINGS[room], *written, *(replace(command, room=room) for command in then)]


SOME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def happened(commands) -> tuple[Room, list[RoomEvent]]:
    """A room after some commands, and its log."""
    room = Room(commands[0].room)
    events = [event for command in commands for event in execute(room, command)]
    return room, [event for event in events if isinstance(event, RoomEvent)]


def messages_of(room: Room) -> dict:
    """By position: the sender, whether it is deleted, the reactions."""
    return {
        at: (message.sender, message.deleted, message.reactions)
        for at, message in room.messages.items()
    }


def people_of(state) -> list[set[str]]:
    return [set(state.members), set(state.muted), set(state.banned)]


@given(histories())
def test_deciding_changes_nothing(commands):
    room = Room(commands[0].room)
    for command in commands:
        before = copy.deepcopy(room)
        decide(room, command)
        assert room == before
        execute(room, command)


@given(histories())
def test_the_log_alone_makes_the_room(commands):
    room, log = happened(commands)
    again = Room(room.id)
    for event in log:
        again.apply(event)
    assert again == room


@pytest.fixture
async def store(mongodb_url):
    async with ActivityStore.opened(mongodb_url()) as store:
        yield store


@SOME
@given(histories())
async def test_the_documents_of_the_store_agree_with_the_room(store, commands):
    room, log = happened(commands)
    for collection in ("log", "rooms"):
        await store._db[collection].delete_many({})
    await store.record(log)
    state = (await store.room_state(room.id)).room
    assert (state.title, state.kind, state.deleted) == (room.title, room.kind, room.deleted)
    assert (state.owner, state.position) == (room.owner, room.position)
    assert people_of(state) == people_of(room)
    assert set(state.invited) == room.invited
    history = await store.history(room.id, None, None, 500)
    stored = [entry for entry in history.entries if isinstance(entry, MessageSent)]
    assert {
        message.position: (message.sender, message.deleted, message.reactions) for message in stored
    } == messages_of(room)


@pytest.fixture(scope="module")
def page():
    """Makes the page's model of a room from its log."""
    program = shutil.which("node", path=BIN) or "node"
    with subprocess.Popen(
        [program, PAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:

        def state_of(room: str, log: list[RoomEvent]) -> dict:
            print(json.dumps(payloads.entries(room, log)), file=node.stdin, flush=True)
            return json.loads(node.stdout.readline())

        yield state_of
        node.stdin.close()


@SOME
@given(histories())
def test_the_page_agrees_with_the_room(page, commands):
    room, log = happened(commands)
    state = page(room.id, log)
    assert set(state["members"]) == room.members
    if room.deleted:  # the page has no such room any more
        return
    assert (state["title"], state["kind"]) == (room.title, room.kind)
    assert (state["owner"], state["position"]) == (room.owner, room.position)
    assert set(state["muted"]) == room.muted
    assert set(state["banned"]) == room.banned
    assert {
        message["position"]: (message["sender"], message["deleted"], message["reactions"])
        for message in state["messages"]
    } == messages_of(room)
