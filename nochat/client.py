"""What a client may send over its socket, and how it sees what it is sent."""

from collections.abc import Iterable
from typing import Any

import msgspec

from nochat.events import (
    Action,
    ClientId,
    Emoji,
    Envelope,
    Position,
    RoomEvent,
    RoomId,
    Text,
    Title,
    UserName,
)
from nochat.requests import Found, History, RoomSummary, Session

COOKIE = "nochat_session"  # holds the session's token
HIDDEN = {"id", "correlation_id", "in_reply_to"}


class Room(msgspec.Struct, frozen=True):
    """A room: to join, to leave, to write in."""

    room: RoomId


class NewRoom(msgspec.Struct, frozen=True):
    """A room to be made."""

    room: RoomId
    title: Title
    private: bool = False


class Invitation(msgspec.Struct, frozen=True):
    """A user to be let into a room."""

    room: RoomId
    user: str


class Peer(msgspec.Struct, frozen=True):
    """A user to write to directly."""

    user: str


class Moderation(msgspec.Struct, frozen=True):
    """What to do with a member of a room."""

    room: RoomId
    user: UserName
    action: Action


class Message(msgspec.Struct, frozen=True):
    """A message; `client_id` is the client's own, and the same when it is sent again."""

    room: RoomId
    client_id: ClientId
    text: Text


class Edit(msgspec.Struct, frozen=True):
    """Another text for the message at a position."""

    room: RoomId
    position: Position
    text: Text


class Target(msgspec.Struct, frozen=True):
    """The message, or the entry, at a position of a room."""

    room: RoomId
    position: Position


class Reaction(msgspec.Struct, frozen=True):
    """A reaction put to the message at a position, or taken away."""

    room: RoomId
    position: Position
    emoji: Emoji
    on: bool = True


class Page(msgspec.Struct, frozen=True):
    """A part of a room's log: what follows `after`, or the newest before `before`."""

    room: RoomId
    after: Position | None = None
    before: Position | None = None
    limit: int = msgspec.field(default=50)

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= 200:
            raise ValueError("`limit` is from 1 to 200")


class Search(msgspec.Struct, frozen=True):
    """Words to be found in one room, or in all that the user is in."""

    text: str
    room: str = ""
    before: float | None = None
    limit: int = msgspec.field(default=20)

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= 50:
            raise ValueError("`limit` is from 1 to 50")
        if not 1 <= len(self.text) <= 200:
            raise ValueError("`text` has 1 to 200 characters")


class Auth(msgspec.Struct, frozen=True):
    """What a client says when it connects: the position that it has of each room.

    `user` is whose the client takes the session for; who names nobody takes it as it is.
    """

    positions: dict[RoomId, Position] = {}
    user: str = ""


def believed(auth: Any) -> str:
    """Whose session a client takes its own for; "" where it does not say."""
    user = auth.get("user", "") if isinstance(auth, dict) else ""
    return user if isinstance(user, str) else ""


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


def found(messages: Any) -> dict[str, Any]:
    """What a search found, the newest first; `more` says that there are more."""
    assert isinstance(messages, Found)
    return {"entries": [view(each) for each in messages.entries], "more": messages.more}


def welcome(session: Session, rooms: list[RoomSummary], online: list[str]) -> dict[str, Any]:
    """What a socket is told first."""
    who = {"user": session.user, "role": session.role}
    return who | {"rooms": [msgspec.to_builtins(room) for room in rooms], "online": online}
