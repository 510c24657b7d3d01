"""Decisions on commands by a room's rules; the room itself applies the resulting events."""

import itertools
from collections.abc import Callable
from typing import Any

from nochat.domain.client_ids import AHEAD, made_at
from nochat.domain.emoji import one_spelling
from nochat.domain.room import DIRECT, Room, direct_room
from nochat.domain.text import is_deleted
from nochat.protocol import reasons
from nochat.protocol.commands import (
    Command,
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
    Event,
    MemberModerated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserErased,
    UserInvited,
)
from nochat.protocol.fields import LOBBY, Kind
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import RememberedMessage

MOST_REACTIONS = 50  # different ones to a message
MOST_REACTIONS_OF_ONE = 20  # by one user


class Refused(Exception):
    """A command that is against the rules; the reason is for the user."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def execute(room: Room, command: Command) -> list[Event]:
    """Decide a command, apply the resulting events to the room, and return them."""
    events = decide(room, command)
    for event in events:
        if isinstance(event, RoomEvent):
            room.apply(event)
    return events


def decide(room: Room, command: Command) -> list[Event]:
    """Return the events that a command causes, without applying them; none if repeated."""
    try:
        _check_not_deleted(room, command)
        _check_not_erased(room, command)
        return _DECISIONS[type(command)](room, command)
    except Refused as refused:
        user = _sender_of(command)
        client_id = getattr(command, "client_id", "")
        told = refused.reason.fields
        return [CommandRejected(room.id, user, command.id, client_id=client_id, **told)]


# ---- what a decision needs from the log ---------------------------------------------------------


def unknown(room: Room, command: Command) -> int | None:
    """Return the position of a message that the room must load before it decides the command."""
    field = "reply_to" if isinstance(command, SendMessage) else "target"
    target: int | None = getattr(command, field, None)
    if target is None or not 0 < target <= room.position:
        return None
    # Skipping it for outsiders also hides by timing that a private room exists.
    if _sender_of(command) not in room.members and not getattr(command, "manager", False):
        return None
    said = room.messages.get(target)
    if said and isinstance(command, React) and said.sender and not said.deleted:
        return target if said.reactions is None else None
    return None if said else target


def may_be_old(room: Room, command: Command) -> bool:
    """Return whether a message may be in the log although it is not among the recent ones.

    It can't be there if its id's time is later than every forgotten message: no accepted id was
    ahead of the chat's clock by more than `AHEAD`.
    """
    if not isinstance(command, SendMessage) or not room.since:
        return False
    if (command.sender, command.client_id) in room.recent:
        return False
    made = made_at(command.client_id)
    return made is None or made <= room.since + AHEAD


# ---- membership ---------------------------------------------------------------------------------


def _create(room: Room, command: CreateRoom) -> list[Event]:
    if room.title or room.id.startswith(DIRECT):
        raise Refused(reasons.room_taken())
    kind: Kind = "private" if command.private else "public"
    return _made(room, command.title, kind, command.user)


def _open_direct(room: Room, command: OpenDirect) -> list[Event]:
    pair = command.user, command.peer
    if room.id != direct_room(*pair):
        raise Refused(reasons.direct_other_pair())
    if room.title:
        return []
    return _made(room, " & ".join(pair), "direct", *dict.fromkeys(pair))


def _made(room: Room, title: str, kind: Kind, *members: str) -> list[Event]:
    """Return the events that create a room by its first member, and join all members."""
    at = itertools.count(_next(room))
    made = RoomCreated(room.id, next(at), members[0], title, kind)
    return [made, *(RoomJoined(room.id, next(at), member) for member in members)]


def _join(room: Room, command: JoinRoom) -> list[Event]:
    if command.user in room.members:
        return []
    if not room.title and room.id == LOBBY:  # it exists before anybody creates it
        return _made(room, "Lobby", "public", command.user)
    # Users without an invitation must not learn that a private room exists, or of a ban there.
    if not room.title or (room.kind != "public" and command.user not in room.invited):
        raise Refused(reasons.room_unknown())
    if command.user in room.banned:
        raise Refused(reasons.room_banned())
    return [RoomJoined(room.id, _next(room), command.user)]


def _leave(room: Room, command: LeaveRoom) -> list[Event]:
    if not {command.user} & (room.members | room.invited):
        return []
    if room.kind == "direct":
        raise Refused(reasons.direct_leave())
    return [RoomLeft(room.id, _next(room), command.user)]


def _delete_room(room: Room, command: DeleteRoom) -> list[Event]:
    if not command.manager:
        raise Refused(reasons.manager_needed())
    if room.deleted:
        return []
    if not room.title or room.kind == "direct":
        raise Refused(reasons.room_unknown())
    if room.id == LOBBY:
        raise Refused(reasons.room_lobby())
    return [RoomDeleted(room.id, _next(room), command.user, room.title, room.kind)]


def _invite(room: Room, command: InviteUser) -> list[Event]:
    _check_member(room, command.user)
    if room.kind == "direct":
        raise Refused(reasons.direct_full())
    _check_not_muted(room, command.user)
    if command.invitee in room.banned:
        raise Refused(reasons.room_user_banned())
    if command.invitee in room.members | room.invited:
        return []
    invited = command.user, command.invitee, room.title, room.kind
    return [UserInvited(room.id, _next(room), *invited)]


def _moderate(room: Room, command: ModerateMember) -> list[Event]:
    member, action = command.member, command.action
    if not _moderates(room, command):
        raise Refused(reasons.room_moderators_only())
    if not room.title:  # Otherwise the future creator of the room could be banned from it.
        raise Refused(reasons.room_unknown())
    if member in (command.user, room.owner) and not command.manager:
        raise Refused(reasons.room_owner())
    marked = room.muted if action in ("mute", "unmute") else room.banned
    match action:
        case "mute" | "ban" if member in marked:
            return []
        case "unmute" | "unban" if member not in marked:
            return []
        case "kick" if member not in room.members | room.invited:
            raise Refused(reasons.room_user_absent())
    return [MemberModerated(room.id, _next(room), command.user, member, action)]


def _erase(room: Room, command: EraseUser) -> list[Event]:
    user, name = command.user, command.deleted_as
    if not room.title or user in room.erased:
        return []
    title = _title_without(room.title, user, name) if room.kind == "direct" else room.title
    changed = "" if title == room.title else title
    return [UserErased(room.id, _next(room), user, name, changed)]


def _title_without(title: str, user: str, name: str) -> str:
    """Return a direct room's title, which joins the names of both, with one name replaced."""
    return " & ".join(name if part == user else part for part in title.split(" & "))


# ---- messages -----------------------------------------------------------------------------------


def _send(room: Room, command: SendMessage) -> list[Event]:
    key = command.sender, command.client_id
    if key in room.recent:
        return []
    _check_may_write(room, command.sender)
    if (made_at(command.client_id) or 0.0) > command.at + AHEAD:
        raise Refused(reasons.message_future())
    if command.reply_to and not _is_message(room, command.reply_to):
        raise Refused(reasons.message_unknown())
    return [MessageSent(room.id, _next(room), *key, command.text, command.reply_to)]


def _edit(room: Room, command: EditMessage) -> list[Event]:
    _check_may_write(room, command.user)
    if _said(room, command.target).sender != command.user:
        raise Refused(reasons.message_edit())
    return [MessageEdited(room.id, _next(room), command.user, command.target, command.text)]


def _delete(room: Room, command: DeleteMessage) -> list[Event]:
    if not (moderates := _moderates(room, command)):
        _check_member(room, command.user)
    known = room.messages.get(command.target)
    if known and known.deleted:
        return []
    if _said(room, command.target).sender != command.user and not moderates:
        raise Refused(reasons.message_delete())
    return [MessageDeleted(room.id, _next(room), command.user, command.target)]


def _react(room: Room, command: React) -> list[Event]:
    _check_may_write(room, command.user)
    held, emoji = _said(room, command.target).reactions or {}, one_spelling(command.emoji)
    if (command.user in held.get(emoji, [])) == command.on:
        return []
    if command.on:
        _check_reactions(held, emoji, command.user)
    change = command.user, command.target, emoji, command.on
    return [ReactionChanged(room.id, _next(room), *change)]


def _check_reactions(held: dict[str, list[str]], emoji: str, user: str) -> None:
    if sum(user in users for users in held.values()) >= MOST_REACTIONS_OF_ONE:
        raise Refused(reasons.reaction_own_too_many())
    if emoji not in held and len(held) >= MOST_REACTIONS:
        raise Refused(reasons.reaction_too_many())


def _read(room: Room, command: MarkRead) -> list[Event]:
    _check_member(room, command.user)
    return [RoomRead(room.id, command.user, min(command.position, room.position))]


# ---- helpers ------------------------------------------------------------------------------------


def _next(room: Room) -> int:
    return room.position + 1


def _sender_of(command: Command) -> str:
    return getattr(command, "user", "") or getattr(command, "sender", "")


def _check_not_deleted(room: Room, command: Command) -> None:
    if room.deleted and not isinstance(command, CreateRoom | DeleteRoom | EraseUser):
        raise Refused(reasons.room_unknown())


def _check_not_erased(room: Room, command: Command) -> None:
    """Check that the command's users have not been deleted."""
    if not room.erased or isinstance(command, EraseUser):
        return
    fields = ("user", "sender", "invitee", "member", "peer")
    if room.erased & {getattr(command, field, "") for field in fields}:
        raise Refused(reasons.account_deleted())


def _check_member(room: Room, user: str) -> None:
    if user not in room.members:
        raise Refused(reasons.room_members_only())


def _moderates(room: Room, command: ModerateMember | DeleteMessage) -> bool:
    """Return whether the sender is a manager, or the room's owner and a member."""
    owns = command.user == room.owner and command.user in room.members
    return room.kind != "direct" and (command.manager or owns)


def _check_may_write(room: Room, user: str) -> None:
    _check_member(room, user)
    _check_not_muted(room, user)
    if room.kind == "direct" and any(map(is_deleted, room.members)):
        raise Refused(reasons.account_deleted())


def _check_not_muted(room: Room, user: str) -> None:
    if user in room.muted:
        raise Refused(reasons.room_muted())


def _is_message(room: Room, position: int) -> bool:
    """Return whether there is a message at a position, deleted or not."""
    said = room.messages.get(position)
    return bool(said and said.sender)


def _said(room: Room, position: int) -> RememberedMessage:
    said = room.messages.get(position)
    if not said or not said.sender or said.deleted:
        raise Refused(reasons.message_unknown())
    return said


_DECISIONS: dict[type[Command], Callable[[Room, Any], list[Event]]] = {
    CreateRoom: _create,
    DeleteRoom: _delete_room,
    OpenDirect: _open_direct,
    JoinRoom: _join,
    LeaveRoom: _leave,
    InviteUser: _invite,
    ModerateMember: _moderate,
    EraseUser: _erase,
    SendMessage: _send,
    EditMessage: _edit,
    DeleteMessage: _delete,
    React: _react,
    MarkRead: _read,
}
