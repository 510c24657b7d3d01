"""The catalogue: one typed struct per command, event, request and reply that crosses the bus.

Commands are in the imperative and change a room: the controller handles them, in one order per
room. Events are in the past tense: they happened, and any number of services may listen. Requests
ask one service and get one reply.

On the wire each is a JSON object with its `type`; several can travel in one AMQP message, as an
array.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, field

# `(?![\s\S])` is the end of the text, in Python and in JSON Schema alike; `$` lets a newline by.
UserName = Annotated[str, Meta(pattern=r"^\w[\w.-]{1,31}(?![\s\S])")]
RoomId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}(?![\s\S])")]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
Position = Annotated[int, Meta(ge=0)]
Password = Annotated[str, Meta(min_length=8, max_length=256)]

LOBBY = "lobby"

_correlation: ContextVar[str] = ContextVar("correlation_id", default="")


def new_id() -> str:
    """A random identifier: 128 bits as 32 hexadecimal digits."""
    return os.urandom(16).hex()


@contextmanager
def caused_by(correlation_id: str) -> Iterator[None]:
    """Give everything that is made inside the same correlation id."""
    token = _correlation.set(correlation_id)
    try:
        yield
    finally:
        _correlation.reset(token)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What everything on the bus carries: an id, who caused it, and when (seconds since 1970)."""

    secret: ClassVar[frozenset[str]] = frozenset({"password", "token"})

    id: str = field(default_factory=new_id)
    correlation_id: str = field(default_factory=lambda: _correlation.get() or new_id())
    at: float = field(default_factory=time.time)

    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name in self.secret else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Command(Envelope, frozen=True):
    """An order to change a room: durable, handled once, in one order per room."""

    publisher: ClassVar[str] = "gateway"

    room: RoomId


class Event(Envelope, frozen=True):
    """A fact: published once, heard by any number of services."""

    publisher: ClassVar[str] = "controller"
    stored: ClassVar[bool] = True


class RoomEvent(Event, frozen=True):
    """A fact in a room's log; `position` counts 1, 2, 3 … in the room."""

    room: RoomId
    position: Position


class Request(Envelope, frozen=True):
    """A question to one service, answered by one reply; never on disk, gone when it times out."""

    service: ClassVar[str]
    # An ordered request waits in its service's queue behind the events that were published before.
    ordered: ClassVar[bool] = False


class Reply(Envelope, frozen=True, kw_only=True):
    """The answer to the request whose id is `in_reply_to`."""

    in_reply_to: str = ""


# ---- commands -----------------------------------------------------------------------------------


class CreateRoom(Command, frozen=True, tag="room.create"):
    """Make a room; its maker becomes its first member."""

    user: UserName
    title: Title


class JoinRoom(Command, frozen=True, tag="room.join"):
    """Become a member of a room."""

    user: UserName


class LeaveRoom(Command, frozen=True, tag="room.leave"):
    """Stop being a member of a room."""

    user: UserName


class SendMessage(Command, frozen=True, tag="message.send"):
    """Say something in a room; the sender's own `client_id` makes a retry harmless."""

    sender: UserName
    client_id: ClientId
    text: Text


class MarkRead(Command, frozen=True, tag="room.mark-read"):
    """Say that a user has read a room up to a position."""

    user: UserName
    position: Position


# ---- events in a room's log ---------------------------------------------------------------------


class RoomCreated(RoomEvent, frozen=True, tag="room.created"):
    """A room was made."""

    user: UserName
    title: Title


class RoomJoined(RoomEvent, frozen=True, tag="room.joined"):
    """A user became a member."""

    user: UserName


class RoomLeft(RoomEvent, frozen=True, tag="room.left"):
    """A user is no longer a member."""

    user: UserName


class MessageSent(RoomEvent, frozen=True, tag="message.sent"):
    """A message has its place in the room."""

    sender: UserName
    client_id: ClientId
    text: Text


LogEntry = RoomCreated | RoomJoined | RoomLeft | MessageSent

# ---- other events -------------------------------------------------------------------------------


class RoomRead(Event, frozen=True, tag="room.read"):
    """A user has read a room up to a position."""

    room: RoomId
    user: UserName
    position: Position


class CommandRejected(Event, frozen=True, tag="command.rejected"):
    """A command was refused; `user` is told why."""

    stored: ClassVar[bool] = False

    room: RoomId
    user: UserName
    command_id: str
    reason: str
    client_id: str = ""


class UserRegistered(Event, frozen=True, tag="user.registered"):
    """An account was made."""

    user: UserName


class UserLoggedIn(Event, frozen=True, tag="user.logged-in"):
    """A session was opened."""

    user: UserName


class LogInFailed(Event, frozen=True, tag="user.log-in-failed"):
    """Somebody gave a wrong name or password."""

    user: str


class UserLoggedOut(Event, frozen=True, tag="user.logged-out"):
    """A session was closed."""

    user: UserName


class UserConnected(Event, frozen=True, tag="user.connected"):
    """A socket of a user was opened on a gateway."""

    publisher: ClassVar[str] = "gateway"

    user: UserName
    connection: str
    gateway: str


class UserDisconnected(Event, frozen=True, tag="user.disconnected"):
    """A socket of a user was closed; `seconds` is how long it was open."""

    publisher: ClassVar[str] = "gateway"

    user: UserName
    connection: str
    gateway: str
    seconds: float
    reason: str = ""


class PresenceReported(Event, frozen=True, tag="presence.reported"):
    """A gateway says who is connected to it: at every change, and every few seconds."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    gateway: str
    users: list[str]


class TypingStarted(Event, frozen=True, tag="typing.started"):
    """A user is writing in a room."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    room: RoomId
    user: UserName


class UserMentioned(Event, frozen=True, tag="user.mentioned"):
    """A message names a member with `@name`."""

    publisher: ClassVar[str] = "notifications"

    user: UserName
    room: RoomId
    position: Position
    sender: UserName
    text: Text


# ---- requests and their replies -----------------------------------------------------------------


class RegisterUser(Request, frozen=True, tag="user.register"):
    """Make an account and open its first session."""

    service: ClassVar[str] = "controller"

    user: UserName
    password: Password


class LogIn(Request, frozen=True, tag="user.log-in"):
    """Open a session."""

    service: ClassVar[str] = "controller"

    user: str
    password: str


class LogOut(Request, frozen=True, tag="user.log-out"):
    """Close a session."""

    service: ClassVar[str] = "controller"

    token: str


class CreateUser(Request, frozen=True, tag="users.create"):
    """Store an account."""

    service: ClassVar[str] = "users"

    user: UserName
    password: Password


class OpenSession(Request, frozen=True, tag="users.open-session"):
    """Check a password and open a session."""

    service: ClassVar[str] = "users"

    user: str
    password: str


class CloseSession(Request, frozen=True, tag="users.close-session"):
    """End a session."""

    service: ClassVar[str] = "users"

    token: str


class WhoIs(Request, frozen=True, tag="users.who-is"):
    """Ask whose session a token is."""

    service: ClassVar[str] = "users"

    token: str


class GetRoomState(Request, frozen=True, tag="activity.room-state"):
    """Ask for what a controller must know before it may decide in a room."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    room: RoomId


class GetRooms(Request, frozen=True, tag="activity.rooms"):
    """Ask for the rooms there are, and how far a user has read."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName


class GetHistory(Request, frozen=True, tag="activity.history"):
    """Ask for a room's log: what follows `after`, or the newest before `before`."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    room: RoomId
    after: Position | None = None
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class GetTrends(Request, frozen=True, tag="activity.trends"):
    """Ask for what people do: users, rooms, words and hours since a time."""

    service: ClassVar[str] = "activity"

    since: float = 0.0
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class Session(Reply, frozen=True, tag="users.session"):
    """Whose session it is; an empty `user` is nobody's. `token` is given only when it is new."""

    user: str = ""
    token: str = ""


class RoomState(Reply, frozen=True, tag="activity.room-state-is"):
    """A room as the log has it; `recent` are the last (sender, client_id) pairs, oldest first."""

    room: RoomId
    title: str = ""
    members: list[str] = []
    position: Position = 0
    recent: list[tuple[str, str]] = []


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One room for one user: its last position, and the last that the user has read.

    `unread` and `mentions` count what others wrote since, up to 100.
    """

    room: RoomId
    title: str
    members: list[str]
    position: Position
    read: Position = 0
    unread: int = 0
    mentions: int = 0


class Rooms(Reply, frozen=True, tag="activity.rooms-are"):
    """All public rooms."""

    rooms: list[RoomSummary] = []


class History(Reply, frozen=True, tag="activity.history-is"):
    """A part of a room's log in order of position; `more` says that there is more of it."""

    room: RoomId
    entries: list[LogEntry] = []
    more: bool = False


class Trends(Reply, frozen=True, tag="activity.trends-are"):
    """Pairs of what was counted and its count, most first; `hours` are of the day, in UTC."""

    users: list[tuple[str, int]] = []
    rooms: list[tuple[str, int]] = []
    words: list[tuple[str, int]] = []
    hours: list[tuple[int, int]] = []
    connections: int = 0
    messages: int = 0


class Failed(Reply, frozen=True, tag="failed"):
    """The request could not be met; `retry` says that it may be, later."""

    reason: str
    retry: bool = False


def _leaves(kind: type[Envelope]) -> Iterator[type[Envelope]]:
    for child in kind.__subclasses__():
        if child.__subclasses__():
            yield from _leaves(child)
        else:
            yield child


def catalogue(kind: type[Envelope] = Envelope) -> dict[str, type[Envelope]]:
    """Every struct of a kind, by its `type` on the wire, those of your own services included."""
    return {type_of(struct): struct for struct in _leaves(kind)}


def type_of(struct: type[Envelope]) -> str:
    """The `type` of a struct on the wire, which is an event's routing key too."""
    return str(struct.__struct_config__.tag)
