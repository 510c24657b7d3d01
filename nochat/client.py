"""What a client may send over its socket, and how it sees what it is sent."""

from collections.abc import Iterable
from typing import Any

import msgspec

from nochat.events import (
    ClientId,
    Envelope,
    History,
    Position,
    RoomEvent,
    RoomId,
    RoomSummary,
    Text,
    Title,
)

COOKIE = "nochat_session"  # holds the session's token
HIDDEN = {"id", "correlation_id", "in_reply_to"}


class Room(msgspec.Struct, frozen=True):
    """A room: to join, to leave, to write in."""

    room: RoomId


class NewRoom(msgspec.Struct, frozen=True):
    """A room to be made."""

    room: RoomId
    title: Title


class Message(msgspec.Struct, frozen=True):
    """A message; `client_id` is the client's own, and the same when it is sent again."""

    room: RoomId
    client_id: ClientId
    text: Text


class Read(msgspec.Struct, frozen=True):
    """How far a room was read."""

    room: RoomId
    position: Position


class Page(msgspec.Struct, frozen=True):
    """A part of a room's log: what follows `after`, or the newest before `before`."""

    room: RoomId
    after: Position | None = None
    before: Position | None = None
    limit: int = msgspec.field(default=50)

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= 200:
            raise ValueError("`limit` is from 1 to 200")


class Auth(msgspec.Struct, frozen=True):
    """What a client says when it connects: the position that it has of each room."""

    positions: dict[RoomId, Position] = {}


def positions(auth: Any) -> dict[str, int]:
    """The positions in a handshake; none, where it holds none that can be read."""
    try:
        return msgspec.convert(auth or {}, Auth).positions
    except msgspec.ValidationError:
        return {}


def view(envelope: Envelope) -> dict[str, Any]:
    """An envelope without what concerns only the services."""
    fields: dict[str, Any] = msgspec.to_builtins(envelope)
    return {name: value for name, value in fields.items() if name not in HIDDEN}


def entries(room: str, events: Iterable[RoomEvent]) -> dict[str, Any]:
    """A part of a room's log, in order of position."""
    return {"room": room, "entries": [view(event) for event in events]}


def history(found: Any) -> dict[str, Any]:
    """A page of a room's log; `more` says that there is more of it."""
    assert isinstance(found, History)
    return entries(found.room, found.entries) | {"more": found.more}


def welcome(user: str, rooms: list[RoomSummary], online: list[str]) -> dict[str, Any]:
    """What a socket is told first."""
    return {"user": user, "rooms": [msgspec.to_builtins(room) for room in rooms], "online": online}
