"""The rules of a room: pure decisions, checked with every sequence of commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.domain.client_ids import AHEAD
from nochat.domain.decisions import (
    MOST_REACTIONS,
    MOST_REACTIONS_OF_ONE,
    execute,
    may_be_old,
    unknown,
)
from nochat.domain.room import LATEST, MOST, REMEMBERED, Room, direct_room
from nochat.protocol.commands import (
    CreateRoom,
    DeleteMessage,
    DeleteRoom,
    EditMessage,
    EraseUser,
    InviteUser,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    ModerateMember,
    OpenDirect,
    React,
    SendMessage,
)
from nochat.protocol.events import (
    CommandRejected,
    MemberModerated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserErased,
    UserInvited,
)
from nochat.protocol.fields import LOBBY
from nochat.protocol.requests import RememberedMessage, RoomInfo, RoomState

ACTIONS = ["mute", "unmute", "kick", "ban", "unban"]

users = st.sampled_from(["ana", "bob", "eve"])
any_command = st.one_of(
    st.builds(CreateRoom, st.just("r"), users, st.just("Room"), st.booleans()),
    st.builds(InviteUser, st.just("r"), users, users),
    st.builds(ModerateMember, st.just("r"), users, users, st.sampled_from(ACTIONS), st.booleans()),
    st.builds(EditMessage, st.just("r"), users, st.integers(0, 9), st.just("other")),
    st.builds(DeleteMessage, st.just("r"), users, st.integers(0, 9), st.booleans()),
    st.builds(React, st.just("r"), users, st.integers(0, 9), st.just("+1"), st.booleans()),
    st.builds(DeleteRoom, st.just("r"), users, st.sampled_from([False, False, False, True])),
    st.builds(JoinRoom, st.just("r"), users),
    st.builds(LeaveRoom, st.just("r"), users),
    st.builds(SendMessage, st.just("r"), users, st.sampled_from("abc"), st.just("hi")),
    st.builds(MarkRead, st.just("r"), users, st.integers(0, 99)),
)
commands = st.lists(any_command, max_size=40)
erasures = st.builds(EraseUser, st.just("r"), users, st.just("~deleted-0"))
with_an_erasure = st.tuples(commands, erasures, commands).map(
    lambda parts: [*parts[0], parts[1], *parts[2]]
)


def kinds(events):
    return [type(event) for event in events]


def room_of(*members: str) -> Room:
    return Room("r", "Room", owner=members[0] if members else "", members=set(members))


@given(with_an_erasure)
def test_positions_have_no_gap_and_no_repeat(sequence):
    room = Room("r")
    events = [event for command in sequence for event in execute(room, command)]
    positions = [event.position for event in events if isinstance(event, RoomEvent)]
    assert positions == list(range(1, len(positions) + 1))


@given(with_an_erasure)
def test_the_same_command_again_changes_nothing(sequence):
    room = Room("r")
    for command in sequence:
        execute(room, command)
        before = room.position, set(room.members)
        execute(room, command)
        if not isinstance(command, EditMessage):  # which sets again what is set
            assert (room.position, room.members) == before


@given(commands)
def test_only_members_who_are_not_muted_are_heard(sequence):
    room = Room("r")
    members, muted = set(), set()
    for command in sequence:
        for event in execute(room, command):
            match event:
                case RoomJoined():
                    members.add(event.user)
                case RoomLeft():
                    members.discard(event.user)
                case MemberModerated(action="kick" | "ban"):
                    members.discard(event.member)
                case MemberModerated(action="mute"):
                    muted.add(event.member)
                case MemberModerated(action="unmute"):
                    muted.remove(event.member)
                case MessageSent():
                    assert event.sender in members - muted
                case MessageEdited() | ReactionChanged():
                    assert event.user in members - muted


@given(commands)
def test_nobody_comes_into_a_private_room_uninvited_nor_back_from_a_ban(sequence):
    room = Room("r")
    invited, banned = set(), set()
    for command in sequence:
        for event in execute(room, command):
            match event:
                case UserInvited():
                    invited.add(event.invitee)
                case MemberModerated(action="ban"):
                    banned.add(event.member)
                    invited.discard(event.member)
                case MemberModerated(action="unban"):
                    banned.remove(event.member)
                case MemberModerated(action="kick"):
                    invited.discard(event.member)
                case RoomLeft():
                    invited.discard(event.user)
                case RoomJoined():
                    assert event.user not in banned
                    assert room.kind == "public" or event.user in invited | {room.owner}


def test_nobody_is_banned_from_a_room_before_it_is_there():
    room = Room("r")
    [refused] = execute(room, ModerateMember("r", "ada", "ana", "ban", manager=True))
    assert "no such room" in refused.reason
    assert room.banned == set()


@given(commands, commands)
def test_a_successor_decides_as_the_predecessor_would(before, after):
    """What `activity` tells a new controller is all that it must know."""
    room = Room("r")
    for command in before:
        execute(room, command)
    successor = Room.of(RoomState(room=room.info, recent=list(room.messages.values())))
    for command in after:
        ours, theirs = execute(room, command), execute(successor, command)
        assert kinds(ours) == kinds(theirs)
        assert room.position == successor.position


def test_a_retry_is_recognised():
    room = room_of("ana")
    sent = SendMessage("r", "ana", "c1", "hi")
    assert kinds(execute(room, sent)) == [MessageSent]
    assert execute(room, SendMessage("r", "ana", "c1", "hi")) == []


def test_the_same_client_id_of_another_sender_is_another_message():
    room = room_of("ana", "bob")
    execute(room, SendMessage("r", "ana", "c1", "hi"))
    assert kinds(execute(room, SendMessage("r", "bob", "c1", "hi"))) == [MessageSent]


@pytest.mark.parametrize(
    ("pause", "kept"), [(1.0, REMEMBERED), (LATEST / 2000, 2000), (LATEST / 10**6, MOST)]
)
def test_the_memory_of_a_room_is_bounded(pause, kept):
    """It is that of some seconds, if the room is fast."""
    room = room_of("ana")
    for number in range(1, kept + 50):
        room.apply(MessageSent("r", number, "ana", f"c{number}", "hi", at=1e9 + pause * number))
    assert len(room.recent) == kept
    assert len(room.messages) == REMEMBERED


def test_a_fast_room_looks_up_nothing_that_has_just_been_written():
    """Otherwise its messages would be decided as slowly as the log is written."""
    room = room_of("ana")
    for number in range(5 * REMEMBERED):  # 250 in a second
        at = 1e9 + number / 250
        name = client_id(at) + f"{number:04}"
        assert not may_be_old(room, SendMessage("r", "ana", name, "hi"))
        room.apply(MessageSent("r", number + 1, "ana", name, "hi", at=at))
    assert room.since


def test_a_stranger_is_rejected_with_the_reason():
    [event] = execute(room_of(), SendMessage("r", "eve", "c1", "hi"))
    assert isinstance(event, CommandRejected)
    assert event.user == "eve"
    assert event.client_id == "c1"
    assert "members" in event.reason


def test_a_room_is_made_once():
    room = Room("r")
    assert kinds(execute(room, CreateRoom("r", "ana", "Room"))) == [RoomCreated, RoomJoined]
    assert kinds(execute(room, CreateRoom("r", "bob", "Mine"))) == [CommandRejected]


def test_the_lobby_is_there_before_anybody_made_it():
    assert kinds(execute(Room("lobby"), JoinRoom("lobby", "ana"))) == [RoomCreated, RoomJoined]
    assert kinds(execute(Room("other"), JoinRoom("other", "ana"))) == [CommandRejected]


def test_nobody_reads_further_than_the_room_goes():
    room = room_of("ana")
    room.position = 5
    [event] = execute(room, MarkRead("r", "ana", 99))
    assert event == RoomRead(
        "r", "ana", 5, id=event.id, correlation_id=event.correlation_id, at=event.at
    )


def reason(events):
    [event] = events
    assert isinstance(event, CommandRejected)
    return event.reason


def test_a_message_is_changed_by_its_sender_alone():
    room = room_of("ana", "bob")
    [sent] = execute(room, SendMessage("r", "bob", "c1", "hi"))
    assert kinds(execute(room, EditMessage("r", "bob", sent.position, "ho"))) == [MessageEdited]
    assert "only its sender" in reason(execute(room, EditMessage("r", "ana", sent.position, "ho")))


def test_a_message_is_deleted_by_its_sender_the_owner_or_a_manager():
    room = room_of("ana", "bob", "eve")
    at = [execute(room, SendMessage("r", "bob", f"c{n}", "hi"))[0].position for n in range(3)]
    assert "only its sender" in reason(execute(room, DeleteMessage("r", "eve", at[0])))
    assert kinds(execute(room, DeleteMessage("r", "bob", at[0]))) == [MessageDeleted]
    assert kinds(execute(room, DeleteMessage("r", "ana", at[1]))) == [MessageDeleted]
    assert kinds(execute(room, DeleteMessage("r", "boss", at[2], manager=True))) == [MessageDeleted]


def test_deleted_messages_take_neither_edits_nor_reactions():
    room = room_of("ana")
    [sent] = execute(room, SendMessage("r", "ana", "c1", "hi"))
    execute(room, DeleteMessage("r", "ana", sent.position))
    assert "no such" in reason(execute(room, EditMessage("r", "ana", sent.position, "ho")))
    assert "no such" in reason(execute(room, React("r", "ana", sent.position, "+1")))
    assert execute(room, SendMessage("r", "ana", "c1", "hi")) == []  # a late retry of it


def test_an_old_message_must_be_learnt_before_it_is_changed():
    room = room_of("ana")
    room.position = 7
    edit = EditMessage("r", "ana", 5, "ho")
    assert unknown(room, edit) == 5
    room.learn(RememberedMessage(5, "ana", "c1"))
    assert unknown(room, edit) is None
    assert kinds(execute(room, edit)) == [MessageEdited]


def test_an_answer_names_a_message_of_the_room():
    room = room_of("ana", "bob")
    [said] = execute(room, SendMessage("r", "ana", "c1", "why?"))
    [answer] = execute(room, SendMessage("r", "bob", "c1", "because", said.position))
    assert answer.reply_to == said.position
    [joined] = execute(room, JoinRoom("r", "eve"))
    for nothing in (joined.position, 99):
        refused = execute(room, SendMessage("r", "bob", "c2", "because", nothing))
        assert "no such message" in reason(refused)
    assert kinds(execute(room, SendMessage("r", "bob", "c2", "because"))) == [MessageSent]


def test_a_reply_to_a_message_deleted_meanwhile_is_sent():
    room = room_of("ana", "bob")
    [said] = execute(room, SendMessage("r", "ana", "c1", "why?"))
    execute(room, DeleteMessage("r", "ana", said.position))
    [answer] = execute(room, SendMessage("r", "bob", "c1", "because", said.position))
    assert answer.reply_to == said.position
    assert execute(room, SendMessage("r", "bob", "c1", "because", said.position)) == []


def test_an_old_message_must_be_learnt_before_it_is_answered():
    room = room_of("ana")
    room.position = 7
    answer = SendMessage("r", "ana", "c1", "because", 5)
    assert unknown(room, answer) == 5
    assert unknown(room, SendMessage("r", "ana", "c1", "hi")) is None
    room.learn(RememberedMessage(5, "", ""))
    assert "no such message" in reason(execute(room, answer))
    room.learn(RememberedMessage(5, "bob", "c9"))
    assert kinds(execute(room, answer)) == [MessageSent]


def test_entries_that_are_no_messages_can_not_be_edited():
    room = room_of("ana")
    for target in (0, 1, 99):
        assert unknown(room, EditMessage("r", "ana", target, "ho")) is None
        assert "no such" in reason(execute(room, EditMessage("r", "ana", target, "ho")))


def test_a_private_room_does_not_say_that_it_is_there():
    room = Room("r")
    execute(room, CreateRoom("r", "ana", "Secret", private=True))
    there = reason(execute(room, JoinRoom("r", "eve")))
    nowhere = reason(execute(Room("x"), JoinRoom("x", "eve")))
    assert there == nowhere
    assert kinds(execute(room, InviteUser("r", "ana", "eve"))) == [UserInvited]
    assert kinds(execute(room, JoinRoom("r", "eve"))) == [RoomJoined]


def test_only_members_invite():
    assert "only members" in reason(execute(room_of("ana"), InviteUser("r", "eve", "eve")))


def test_an_invitation_can_be_turned_down():
    room = Room("r")
    execute(room, CreateRoom("r", "ana", "Secret", private=True))
    execute(room, InviteUser("r", "ana", "bob"))
    assert kinds(execute(room, LeaveRoom("r", "bob"))) == [RoomLeft]
    assert "no such room" in reason(execute(room, JoinRoom("r", "bob")))


def test_the_owner_and_managers_moderate_and_nobody_else():
    room = room_of("ana", "bob", "eve")
    assert "only the room" in reason(execute(room, ModerateMember("r", "eve", "bob", "kick")))
    assert "owner" in reason(execute(room, ModerateMember("r", "ana", "ana", "mute")))
    assert kinds(execute(room, ModerateMember("r", "ana", "bob", "ban"))) == [MemberModerated]
    assert "banned" in reason(execute(room, JoinRoom("r", "bob")))
    boss = ModerateMember("r", "boss", "ana", "kick", manager=True)
    assert kinds(execute(room, boss)) == [MemberModerated]


@pytest.mark.parametrize("end", ["ban", "kick", "leave"])
def test_an_owner_who_is_out_of_the_room_has_no_say_in_it(end):
    room = room_of("ana", "bob", "eve")
    [theirs] = execute(room, SendMessage("r", "bob", "c1", "hi"))
    [own] = execute(room, SendMessage("r", "ana", "c1", "ho"))
    execute(
        room,
        LeaveRoom("r", "ana") if end == "leave" else ModerateMember("r", "boss", "ana", end, True),
    )
    for action in ACTIONS:
        moderation = ModerateMember("r", "ana", "bob", action)
        assert "only the room's owner or a manager" in reason(execute(room, moderation))
    for position in (theirs.position, own.position):
        assert "only members" in reason(execute(room, DeleteMessage("r", "ana", position)))
    for command in (
        InviteUser("r", "ana", "friend"),
        EditMessage("r", "ana", own.position, "other"),
        React("r", "ana", theirs.position, "+1"),
        SendMessage("r", "ana", "c2", "hi"),
        MarkRead("r", "ana", 1),
    ):
        assert "only members" in reason(execute(room, command))
    # Managers look after it meanwhile.
    for action in ("mute", "ban"):
        moderation = ModerateMember("r", "boss", "eve", action, manager=True)
        assert kinds(execute(room, moderation)) == [MemberModerated]
    deletion = DeleteMessage("r", "boss", own.position, manager=True)
    assert kinds(execute(room, deletion)) == [MessageDeleted]


def test_an_owner_who_comes_back_is_owner_again():
    room = room_of("ana", "bob")
    execute(room, ModerateMember("r", "boss", "ana", "ban", manager=True))
    assert "banned" in reason(execute(room, JoinRoom("r", "ana")))
    assert "banned" in reason(execute(room, InviteUser("r", "bob", "ana")))
    execute(room, ModerateMember("r", "boss", "ana", "unban", manager=True))
    assert "only the room" in reason(execute(room, ModerateMember("r", "ana", "bob", "kick")))
    execute(room, JoinRoom("r", "ana"))
    assert kinds(execute(room, ModerateMember("r", "ana", "bob", "kick"))) == [MemberModerated]


def test_a_ban_that_ends_does_not_end_what_else_was_imposed():
    room = room_of("ana", "bob")
    for action in ("mute", "ban", "unban"):
        execute(room, ModerateMember("r", "ana", "bob", action))
    assert "only members" in reason(execute(room, SendMessage("r", "bob", "c1", "hi")))
    execute(room, JoinRoom("r", "bob"))
    assert "muted" in reason(execute(room, SendMessage("r", "bob", "c1", "hi")))


@given(commands)
def test_power_over_others_needs_a_manager_or_an_owner_in_the_room(sequence):
    room = Room("r")
    for command in sequence:
        owns = room.owner in room.members
        senders = {at: said.sender for at, said in room.messages.items()}
        for event in execute(room, command):
            match event:
                case MemberModerated():
                    assert command.manager or (owns and event.user == room.owner)
                case MessageDeleted(user=user):
                    own = senders[event.target] == user
                    assert own or command.manager or (owns and user == room.owner)


def test_muted_members_can_read_and_not_write():
    room = room_of("ana", "bob")
    [sent] = execute(room, SendMessage("r", "bob", "c1", "hi"))
    execute(room, ModerateMember("r", "ana", "bob", "mute"))
    for command in (
        SendMessage("r", "bob", "c2", "hi"),
        EditMessage("r", "bob", sent.position, "ho"),
        React("r", "bob", sent.position, "+1"),
        InviteUser("r", "bob", "cleo"),
    ):
        assert "muted" in reason(execute(room, command))
    assert kinds(execute(room, MarkRead("r", "bob", 1))) == [RoomRead]


def test_the_room_of_two_takes_no_third():
    room = Room(direct_room("ana", "Bob"))
    assert kinds(execute(room, OpenDirect(room.id, "ana", "Bob")))[0] is RoomCreated
    assert room.members == {"ana", "Bob"}
    assert execute(room, OpenDirect(room.id, "Bob", "ana")) == []
    for command in (
        JoinRoom(room.id, "eve"),
        InviteUser(room.id, "ana", "eve"),
        LeaveRoom(room.id, "ana"),
        ModerateMember(room.id, "ana", "Bob", "kick"),
        ModerateMember(room.id, "boss", "Bob", "kick", manager=True),
        OpenDirect(room.id, "eve", "Bob"),
        CreateRoom(room.id, "eve", "Mine"),
    ):
        assert kinds(execute(room, command)) == [CommandRejected]


def test_one_may_write_to_oneself():
    room = Room(direct_room("ana", "ana"))
    assert kinds(execute(room, OpenDirect(room.id, "ana", "ana"))) == [RoomCreated, RoomJoined]


def test_ids_of_direct_rooms_are_of_the_pair_whatever_the_order_and_case():
    assert direct_room("ana", "Bob") == direct_room("bob", "Ana") != direct_room("ana", "bo")


def full_room(first: float) -> Room:
    """A room that has forgotten messages: it remembers the last, one a second."""
    recent = [RememberedMessage(n, "ana", f"c{n}", at=first + n) for n in range(1, REMEMBERED + 1)]
    info = RoomInfo(room="r", title="R", members=["ana"], position=REMEMBERED)
    return Room.of(RoomState(room=info, recent=recent))


def client_id(at: float) -> str:
    return f"t{int(at * 1000):012x}-{'0' * 20}"


def test_the_log_is_asked_only_for_what_may_be_forgotten():
    room = full_room(1e9)

    def is_asked(name: str) -> bool:
        return may_be_old(room, SendMessage("r", "ana", name, "hi"))

    assert is_asked("any text")
    assert is_asked(client_id(1e9 - 100))
    assert is_asked(client_id(1e9 + 1 + AHEAD))
    assert not is_asked(client_id(1e9 + 2 + AHEAD))
    assert not is_asked("c7")  # it is remembered
    assert not may_be_old(Room("small", members={"ana"}), SendMessage("small", "ana", "x", "hi"))


def test_messages_in_the_log_are_not_sent_again():
    room = full_room(1e9)
    room.recall("ana", "old")
    assert execute(room, SendMessage("r", "ana", "old", "hi")) == []


def test_an_id_of_a_time_to_come_is_refused():
    """Or it could be forgotten, and then be taken for new."""
    room = full_room(1e9)
    late = SendMessage("r", "ana", client_id(2e9 + AHEAD + 1), "hi", at=2e9)
    assert kinds(execute(room, late)) == [CommandRejected]
    on_time = SendMessage("r", "ana", client_id(2e9 + AHEAD - 1), "hi", at=2e9)
    assert kinds(execute(room, on_time)) == [MessageSent]


def reasons(events):
    return [event.reason for event in events if isinstance(event, CommandRejected)]


def test_one_user_puts_a_bounded_number_of_reactions_to_a_message():
    room = room_of("ana", "bob")
    execute(room, SendMessage("r", "ana", "c1", "hi"))
    told = [reasons(execute(room, React("r", "bob", 1, f"+{n}"))) for n in range(400)]
    assert told.count([]) == MOST_REACTIONS_OF_ONE
    assert "remove one first" in told[-1][0]
    [taken] = execute(room, React("r", "bob", 1, "+1", on=False))
    assert isinstance(taken, ReactionChanged)
    assert reasons(execute(room, React("r", "bob", 1, "+400"))) == []


def test_a_message_has_a_bounded_number_of_different_reactions():
    members = [f"user{n}" for n in range(9)]
    room = room_of(*members)
    execute(room, SendMessage("r", "user0", "c1", "hi"))
    for n in range(MOST_REACTIONS):
        assert reasons(execute(room, React("r", members[n % 9], 1, f"+{n}"))) == []
    assert "choose one of them" in reasons(execute(room, React("r", "user1", 1, "new")))[0]
    assert reasons(execute(room, React("r", "user1", 1, "+0"))) == []


def test_reactions_that_look_alike_are_one():
    room = room_of("ana", "bob")
    execute(room, SendMessage("r", "ana", "c1", "hi"))
    [first] = execute(room, React("r", "bob", 1, "❤"))
    assert first.emoji == "❤\ufe0f"
    assert execute(room, React("r", "bob", 1, "❤\ufe0f")) == []
    [taken] = execute(room, React("r", "bob", 1, "❤\ufe0e", on=False))
    assert (taken.emoji, taken.on) == ("❤\ufe0f", False)


def test_the_reactions_of_an_older_message_are_learnt_once():
    state = RoomState(
        room=RoomInfo(room="r", title="Room", members=["ana", "bob"], position=9),
        recent=[RememberedMessage(4, "ana", "c4"), RememberedMessage(5, "ana", "c5")],
    )
    room = Room.of(state)
    put = React("r", "bob", 4, "👍")
    assert unknown(room, put) == 4
    room.learn(RememberedMessage(4, "ana", "c4", reactions={"👍": ["bob"]}))
    assert unknown(room, put) is None
    assert execute(room, put) == []
    # What is decided is not undone by a log that does not have it yet.
    execute(room, DeleteMessage("r", "ana", 5))
    assert unknown(room, React("r", "bob", 5, "👍")) is None
    room.learn(RememberedMessage(5, "ana", "c5", reactions={}))
    assert "no such message" in reasons(execute(room, React("r", "bob", 5, "👍")))[0]


def test_a_direct_room_is_the_same_however_its_two_are_written():
    assert direct_room("José", "bob") == direct_room("BOB", "Jose\u0301")
    assert direct_room("José", "bob") != direct_room("Jose", "bob")


def test_only_a_manager_deletes_a_room_and_its_id_is_never_used_again():
    room = Room("r")
    execute(room, CreateRoom("r", "ana", "Ana's"))
    execute(room, SendMessage("r", "ana", "c1", "hello"))
    assert "manager" in reason(execute(room, DeleteRoom("r", "ana")))
    [deleted] = execute(room, DeleteRoom("r", "boss", manager=True))
    assert (deleted.position, deleted.title, deleted.kind) == (4, "Ana's", "public")
    assert execute(room, DeleteRoom("r", "boss", manager=True)) == []
    for command in (
        JoinRoom("r", "bob"),
        SendMessage("r", "ana", "c2", "anybody there?"),
        EditMessage("r", "ana", 3, "x"),
        InviteUser("r", "ana", "bob"),
        ModerateMember("r", "boss", "ana", "ban", manager=True),
    ):
        assert "no such room" in reason(execute(room, command))
    assert "already exists" in reason(execute(room, CreateRoom("r", "eve", "Mine")))
    again = Room.of(RoomState(room=RoomInfo(room="r", title="Ana's", position=4, deleted=True)))
    assert "already exists" in reason(execute(again, CreateRoom("r", "eve", "Mine")))
    assert "no such room" in reason(execute(again, JoinRoom("r", "eve")))


def test_the_lobby_and_rooms_of_two_are_not_deleted():
    lobby, pair = Room(LOBBY), Room(direct_room("ana", "bob"))
    execute(lobby, JoinRoom(LOBBY, "ana"))
    execute(pair, OpenDirect(pair.id, "ana", "bob"))
    for room, said in (
        (lobby, "lobby can't be deleted"),
        (pair, "no such room"),
        (Room("x"), "no such room"),
    ):
        assert said in reason(execute(room, DeleteRoom(room.id, "boss", manager=True)))
        assert not room.deleted


# ---- accounts that are deleted ------------------------------------------------------------------

GONE = "~deleted-0123456789abcdef"


def erase(room: Room, user: str = "ana") -> list:
    return execute(room, EraseUser(room.id, user, GONE))


def test_an_erased_user_leaves_only_messages_under_another_name():
    room = room_of("ana", "bob")
    execute(room, SendMessage("r", "ana", "a", "by ana"))
    execute(room, SendMessage("r", "bob", "b", "by bob"))
    execute(room, React("r", "ana", 2, "👍"))
    execute(room, React("r", "bob", 2, "👍"))
    (event,) = erase(room)
    assert isinstance(event, UserErased)
    assert (event.user, event.deleted_as, event.title) == ("ana", GONE, "")
    assert (room.members, room.owner, room.messages[1].sender) == ({"bob"}, "", GONE)
    assert room.messages[2].reactions == {"👍": ["bob"]}
    assert erase(room) == []
    assert kinds(execute(room, DeleteMessage("r", "bob", 1))) == [CommandRejected]
    assert kinds(execute(room, DeleteMessage("r", "eve", 1, manager=True))) == [MessageDeleted]


def test_nothing_that_a_deleted_user_had_sent_before_counts_after():
    room = room_of("ana", "bob")
    erase(room)
    for late in (
        JoinRoom("r", "ana"),
        SendMessage("r", "ana", "a", "too late"),
        CreateRoom("r", "ana", "Mine"),
        MarkRead("r", "ana", 1),
        InviteUser("r", "bob", "ana"),
        ModerateMember("r", "eve", "ana", "ban", manager=True),
    ):
        assert reasons(execute(room, late)) == ["this account was deleted"]
    assert (room.members, room.invited, room.banned) == ({"bob"}, set(), set())


def test_a_room_of_two_stays_and_refuses_messages_to_a_deleted_account():
    room = Room(direct_room("ana", "bob"))
    execute(room, OpenDirect(room.id, "ana", "bob"))
    execute(room, SendMessage(room.id, "ana", "a", "between us"))
    (event,) = erase(room)
    assert event.title == f"{GONE} & bob"
    assert (room.members, room.title) == ({GONE, "bob"}, event.title)
    again = Room.of(RoomState(room=RoomInfo(room=room.id, kind="direct", members=[GONE, "bob"])))
    for direct in (room, again):
        sent = execute(direct, SendMessage(direct.id, "bob", "b", "anybody?"))
        assert reasons(sent) == ["this account was deleted"]
    assert kinds(execute(room, OpenDirect(room.id, "bob", "ana"))) == [CommandRejected]


def test_a_room_that_nobody_made_is_not_made_by_an_erasure():
    assert erase(Room("r")) == []


def test_a_deleted_room_lets_go_of_a_deleted_user_too():
    room = room_of("ana", "bob")
    execute(room, DeleteRoom("r", "boss", manager=True))
    assert kinds(erase(room)) == [UserErased]
    assert room.owner == ""
