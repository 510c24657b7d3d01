"""The payloads of sockets: the data that clients may send, and those that they receive."""

import re
import time
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from nochat.domain.text import TextRefused
from nochat.protocol import incoming, reasons
from nochat.protocol.envelope import Envelope
from nochat.protocol.events import RoomEvent
from nochat.protocol.fields import Action, Moment, Position, RoomId
from nochat.protocol.incoming import AskedName, Incoming
from nochat.protocol.requests import Found, FoundRooms, History, RoomSummary, Session

UNGUESSABLE = re.compile(r"-[0-9a-f]{16}\Z")
COOKIE = "nochat_session"  # holds the session's token
HIDDEN = {"id", "correlation_id", "in_reply_to"}


class Room(Incoming, frozen=True):
    """A room to join, to leave or to type in."""

    room: incoming.RoomId


class NewRoom(Incoming, frozen=True):
    """A room to create.

    The id of a private room must be unguessable: creating a room reveals whether its id is taken.
    """

    room: incoming.RoomId
    title: incoming.Title
    private: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.private and not UNGUESSABLE.search(self.room):
            raise TextRefused(reasons.room_private_id())


class Invitation(Incoming, frozen=True):
    """A user to invite to a room."""

    room: incoming.RoomId
    user: AskedName


class Peer(Incoming, frozen=True):
    """A user to write to directly."""

    user: AskedName


class Moderation(Incoming, frozen=True):
    """A moderation of a room's member."""

    room: incoming.RoomId
    user: AskedName
    action: Action


class Message(Incoming, frozen=True):
    """A message; `client_id` is chosen by the client, and the same in a retry.

    `reply_to` is the position of the message that it answers, or 0.
    """

    room: incoming.RoomId
    client_id: incoming.ClientId
    text: incoming.Message
    reply_to: Position = 0


class Edit(Incoming, frozen=True):
    """A new text for the message at a position."""

    room: incoming.RoomId
    position: Position
    text: incoming.Message


class Target(Incoming, frozen=True):
    """The message or entry at a position of a room."""

    room: incoming.RoomId
    position: Position


class Reaction(Incoming, frozen=True):
    """A reaction to add to the message at a position, or to remove."""

    room: incoming.RoomId
    position: Position
    emoji: incoming.Reaction
    on: bool = True


class Page(Incoming, frozen=True):
    """A part of a room's log: the entries after `after`, or the newest before `before`."""

    room: incoming.RoomId
    after: Position | None = None
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Search(Incoming, frozen=True):
    """Words to search for in one room, or in all of the user's rooms."""

    text: incoming.Searched
    room: incoming.RoomOrAny = ""
    before: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class Browse(Incoming, frozen=True):
    """A query for public rooms: by a text in their titles, after an id, or `only` one room."""

    text: incoming.Sought
    only: Annotated[str, Meta(max_length=40)] = ""
    after: Annotated[str, Meta(max_length=40)] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class Auth(msgspec.Struct, frozen=True):
    """The handshake of a client: the last position that it has of each room.

    `user` is the user that the client expects the session to belong to; empty for any user.
    """

    positions: dict[RoomId, Position] = {}
    user: str = ""


def believed(auth: Any) -> str:
    """Return the user that a client expects its session to belong to, or ""."""
    user = auth.get("user", "") if isinstance(auth, dict) else ""
    return user if isinstance(user, str) else ""


def positions(auth: Any) -> dict[str, int]:
    """Return the positions in a handshake; none if they are missing or malformed."""
    try:
        return incoming.read(auth or {}, Auth).positions
    except msgspec.ValidationError:
        return {}


def view(envelope: Envelope) -> dict[str, Any]:
    """Return an envelope's fields, without those that are only for services."""
    fields: dict[str, Any] = msgspec.to_builtins(envelope)
    for name in HIDDEN:
        fields.pop(name, None)
    return fields


def entries(room: str, events: Iterable[RoomEvent]) -> dict[str, Any]:
    """Return a part of a room's log, in order of position."""
    return {"room": room, "entries": [view(event) for event in events]}


def history(answer: Any) -> dict[str, Any]:
    """Return a page of a room's log; `more` is true if the log continues."""
    assert isinstance(answer, History)
    return entries(answer.room, answer.entries) | {"more": answer.more}


def found(messages: Any) -> dict[str, Any]:
    """Return the results of a search, the newest first; `more` is true if there are more."""
    assert isinstance(messages, Found)
    return {"entries": [view(message) for message in messages.entries], "more": messages.more}


def listed(rooms: Any) -> dict[str, Any]:
    """Return public rooms in order of their ids; `more` is true if there are more."""
    assert isinstance(rooms, FoundRooms)
    return {"rooms": [msgspec.to_builtins(room) for room in rooms.rooms], "more": rooms.more}


def welcome(session: Session, rooms: list[RoomSummary], online: list[str]) -> dict[str, Any]:
    """Return the welcome of a new socket; `now` is the chat's time, in seconds since 1970."""
    who = {"user": session.user, "role": session.role, "now": time.time()}
    return who | {"rooms": [summary(room) for room in rooms], "online": online}


def summary(room: RoomSummary) -> dict[str, Any]:
    """Return a room's summary for a member; for invited users, without the log's position."""
    if room.invited:
        room = msgspec.structs.replace(room, position=0)
    fields: dict[str, Any] = msgspec.to_builtins(room)
    return fields
