"""The rules of a room: pure decisions, checked with every sequence of commands."""

from hypothesis import given
from hypothesis import strategies as st

from nochat.events import (
    CommandRejected,
    CreateRoom,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    MessageSent,
    RoomCreated,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    RoomState,
    SendMessage,
)
from nochat.room import REMEMBERED, Room

users = st.sampled_from(["ana", "bob", "eve"])
commands = st.lists(
    st.one_of(
        st.builds(CreateRoom, st.just("r"), users, st.just("Room")),
        st.builds(JoinRoom, st.just("r"), users),
        st.builds(LeaveRoom, st.just("r"), users),
        st.builds(SendMessage, st.just("r"), users, st.sampled_from("abc"), st.just("hi")),
        st.builds(MarkRead, st.just("r"), users, st.integers(0, 99)),
    ),
    max_size=40,
)


def kinds(events):
    return [type(event) for event in events]


def room_of(*members: str) -> Room:
    return Room("r", "Room", set(members))


@given(commands)
def test_positions_have_no_gap_and_no_repeat(sequence):
    room = Room("r")
    events = [event for command in sequence for event in room.decide(command)]
    positions = [event.position for event in events if isinstance(event, RoomEvent)]
    assert positions == list(range(1, len(positions) + 1))


@given(commands)
def test_the_same_command_again_changes_nothing(sequence):
    room = Room("r")
    for command in sequence:
        room.decide(command)
        before = room.position, set(room.members)
        room.decide(command)
        if not isinstance(command, JoinRoom | LeaveRoom):
            assert (room.position, room.members) == before


@given(commands)
def test_only_members_are_heard(sequence):
    room = Room("r")
    members = set()
    for command in sequence:
        for event in room.decide(command):
            match event:
                case RoomJoined():
                    members.add(event.user)
                case RoomLeft():
                    members.remove(event.user)
                case MessageSent():
                    assert event.sender in members


@given(commands, commands)
def test_a_successor_decides_as_the_predecessor_would(before, after):
    """What `activity` tells a new controller is all that it must know."""
    room = Room("r")
    for command in before:
        room.decide(command)
    state = RoomState(
        room="r",
        title=room.title,
        members=sorted(room.members),
        position=room.position,
        recent=list(room.recent),
    )
    successor = Room.of(state)
    for command in after:
        ours, theirs = room.decide(command), successor.decide(command)
        assert kinds(ours) == kinds(theirs)
        assert room.position == successor.position


def test_a_retry_is_recognised():
    room = room_of("ana")
    sent = SendMessage("r", "ana", "c1", "hi")
    assert kinds(room.decide(sent)) == [MessageSent]
    assert room.decide(SendMessage("r", "ana", "c1", "hi")) == []


def test_the_same_client_id_of_another_sender_is_another_message():
    room = room_of("ana", "bob")
    room.decide(SendMessage("r", "ana", "c1", "hi"))
    assert kinds(room.decide(SendMessage("r", "bob", "c1", "hi"))) == [MessageSent]


def test_what_a_room_remembers_is_bounded():
    room = room_of("ana")
    for number in range(REMEMBERED + 50):
        room.decide(SendMessage("r", "ana", f"c{number}", "hi"))
    assert len(room.recent) == REMEMBERED


def test_a_stranger_is_rejected_with_the_reason():
    [event] = room_of().decide(SendMessage("r", "eve", "c1", "hi"))
    assert isinstance(event, CommandRejected)
    assert event.user == "eve"
    assert event.client_id == "c1"
    assert "members" in event.reason


def test_a_room_is_made_once():
    room = Room("r")
    assert kinds(room.decide(CreateRoom("r", "ana", "Room"))) == [RoomCreated, RoomJoined]
    assert kinds(room.decide(CreateRoom("r", "bob", "Mine"))) == [CommandRejected]


def test_the_lobby_is_there_before_anybody_made_it():
    assert kinds(Room("lobby").decide(JoinRoom("lobby", "ana"))) == [RoomCreated, RoomJoined]
    assert kinds(Room("other").decide(JoinRoom("other", "ana"))) == [CommandRejected]


def test_nobody_reads_further_than_the_room_goes():
    room = room_of("ana")
    room.position = 5
    [event] = room.decide(MarkRead("r", "ana", 99))
    assert event == RoomRead(
        "r", "ana", 5, id=event.id, correlation_id=event.correlation_id, at=event.at
    )
