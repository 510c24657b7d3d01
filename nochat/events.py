"""The catalogue: one typed struct per command and event that crosses the bus.

Commands are in the imperative and change a room: the controller handles them, in one order per
room. Events are in the past tense: they happened, and any number of services may listen. Requests
ask one service and get one reply: `nochat.requests` has them.

On the wire each is a JSON object with its `type`; several can travel in one AMQP message, as an
array.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, field

from nochat.errors import NochatError

# What people write is checked where it comes in, by the rules of `nochat.text`; these shapes also
# hold what was stored under older rules.
# Patterns are read alike by Python and by JSON Schema, whose regular expressions are JavaScript's:
# `(?![\s\S])` is the end of the text, as `$` lets a newline by, and blanks are spelled out, as `\s`
# and `\w` are not the same characters in both.
BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
UserName = Annotated[str, Meta(pattern=rf"^[^{BLANKS}/@<>]{{2,32}}(?![\s\S])")]
RoomId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}(?![\s\S])")]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
# Numbers are as wide as all can carry them on: JavaScript counts no further, MongoDB has 64 bits,
# and JSON has neither infinity nor NaN, which no bounds let by.
MOST = 2**53 - 1
Position = Annotated[int, Meta(ge=0, le=MOST)]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Moment = Annotated[float, Meta(ge=0, le=253_402_300_800)]  # seconds since 1970, up to the year 9999
Seconds = Annotated[float, Meta(ge=0, le=MOST)]
Password = Annotated[str, Meta(min_length=8, max_length=256)]
Emoji = Annotated[str, Meta(pattern=rf"^[^{BLANKS}]{{1,16}}(?![\s\S])")]
Kind = Literal["public", "private", "direct"]
Role = Literal["user", "manager"]
Action = Literal["mute", "unmute", "kick", "ban", "unban"]

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


def correlation() -> str:
    """The correlation id that `caused_by` has set here; empty outside of it."""
    return _correlation.get()


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What everything on the bus carries: an id, who caused it, and when (seconds since 1970)."""

    secret: ClassVar[frozenset[str]] = frozenset({"password", "new_password", "token"})

    id: str = field(default_factory=new_id)
    correlation_id: str = field(default_factory=lambda: _correlation.get() or new_id())
    at: Moment = field(default_factory=time.time)

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


# ---- commands -----------------------------------------------------------------------------------


class CreateRoom(Command, frozen=True, tag="room.create"):
    """Make a room; its maker becomes its first member."""

    user: UserName
    title: Title
    private: bool = False


class OpenDirect(Command, frozen=True, tag="room.open-direct"):
    """Make the room of two users, if it is not there yet."""

    user: UserName
    peer: UserName


class InviteUser(Command, frozen=True, tag="room.invite"):
    """Let a user into a private room, or draw their attention to a public one."""

    user: UserName
    invitee: UserName


class JoinRoom(Command, frozen=True, tag="room.join"):
    """Become a member of a room."""

    user: UserName


class LeaveRoom(Command, frozen=True, tag="room.leave"):
    """Stop being a member of a room, or turn its invitation down."""

    user: UserName


class SendMessage(Command, frozen=True, tag="message.send"):
    """Say something in a room; the sender's own `client_id` makes a retry harmless.

    `reply_to` is the position of the message that it answers; 0: none.
    """

    sender: UserName
    client_id: ClientId
    text: Text
    reply_to: Position = 0


class EditMessage(Command, frozen=True, tag="message.edit"):
    """Give a message of one's own another text; `target` is its position."""

    user: UserName
    target: Position
    text: Text


class DeleteMessage(Command, frozen=True, tag="message.delete"):
    """Take a message back: its sender may, the owner while in the room, and a manager."""

    user: UserName
    target: Position
    manager: bool = False


class React(Command, frozen=True, tag="message.react"):
    """Put a reaction to a message, or take it away (`on` is false)."""

    user: UserName
    target: Position
    emoji: Emoji
    on: bool = True


class DeleteRoom(Command, frozen=True, tag="room.delete"):
    """Delete a room with all that was said in it: a manager may."""

    user: UserName
    manager: bool = False


class ModerateMember(Command, frozen=True, tag="room.moderate"):
    """Mute, kick or ban a member: the owner may while in the room, and a manager."""

    user: UserName
    member: UserName
    action: Action
    manager: bool = False


class EraseUser(Command, frozen=True, tag="room.erase-user"):
    """Put `deleted_as` in a user's place, whose account is deleted: their messages stay."""

    publisher: ClassVar[str] = "users"

    user: UserName
    deleted_as: UserName


class MarkRead(Command, frozen=True, tag="room.mark-read"):
    """Say that a user has read a room up to a position."""

    user: UserName
    position: Position


# ---- events in a room's log ---------------------------------------------------------------------


class RoomCreated(RoomEvent, frozen=True, tag="room.created"):
    """A room was made; `user` owns it."""

    user: UserName
    title: Title
    kind: Kind = "public"


class RoomJoined(RoomEvent, frozen=True, tag="room.joined"):
    """A user became a member."""

    user: UserName


class RoomLeft(RoomEvent, frozen=True, tag="room.left"):
    """A user is no longer a member."""

    user: UserName


class RoomDeleted(RoomEvent, frozen=True, tag="room.deleted"):
    """A room is gone with all that was said in it; no other gets its id."""

    user: UserName
    title: Title
    kind: Kind = "public"


class MessageSent(RoomEvent, frozen=True, omit_defaults=True, tag="message.sent"):
    """A message has its place in the room.

    `reply_to` is the position of the message that it answers. `edited` (when, the last time),
    `deleted` and `reactions` (who, by reaction) are what became of it since, as history tells it;
    a deleted message has no text.
    """

    sender: UserName
    client_id: ClientId
    text: Annotated[str, Meta(max_length=4000)]
    reply_to: Position = 0
    edited: Moment = 0.0
    deleted: bool = False
    reactions: dict[str, list[str]] = {}


class MessageEdited(RoomEvent, frozen=True, tag="message.edited"):
    """The message at the position `target` has another text.

    Whoever reads it in the history finds the text that the message has now: what was edited away
    is gone. It is empty where the message was deleted since.
    """

    user: UserName
    target: Position
    text: Annotated[str, Meta(max_length=4000)]


class MessageDeleted(RoomEvent, frozen=True, tag="message.deleted"):
    """The message at the position `target` was taken back."""

    user: UserName
    target: Position


class ReactionChanged(RoomEvent, frozen=True, tag="reaction.changed"):
    """A user put a reaction to the message at the position `target`, or took it away."""

    user: UserName
    target: Position
    emoji: Emoji
    on: bool


class UserInvited(RoomEvent, frozen=True, tag="user.invited"):
    """A member invited somebody, who need not know the room yet."""

    user: UserName
    invitee: UserName
    title: Title
    kind: Kind = "public"


class MemberModerated(RoomEvent, frozen=True, tag="member.moderated"):
    """A member was muted, kicked or banned, or is so no longer."""

    user: UserName
    member: UserName
    action: Action


class UserErased(RoomEvent, frozen=True, omit_defaults=True, tag="user.erased"):
    """A user's account is deleted: their messages are `deleted_as`'s, their reactions are gone.

    Whoever reads it in the history finds `deleted_as` in `user` too: the name is gone from there.
    `title` is the room's other title, where the user's name was in it.
    """

    user: UserName
    deleted_as: UserName
    title: Annotated[str, Meta(max_length=80)] = ""


Change = MessageEdited | MessageDeleted | ReactionChanged
LogEntry = (
    RoomCreated
    | RoomDeleted
    | RoomJoined
    | RoomLeft
    | MessageSent
    | UserInvited
    | MemberModerated
    | UserErased
    | Change
)

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
    """Somebody gave a wrong name or password.

    No `user`: there is no such account. What was typed may be a password, and this is for the log.
    Who tries without end is told of now and then: `unsaid` is how often it was since the last time.
    """

    user: str = ""
    unsaid: Count = 0


class UserLoggedOut(Event, frozen=True, tag="user.logged-out"):
    """A session was closed."""

    user: UserName


class TokenMade(Event, frozen=True, tag="user.token-made"):
    """A user made a token for a program; `name` is what they call it."""

    user: UserName
    name: Title


class TokenRevoked(Event, frozen=True, tag="user.token-revoked"):
    """A user revoked a token."""

    user: UserName
    name: Title


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
    seconds: Seconds
    reason: str = ""


class PresenceReported(Event, frozen=True, tag="presence.reported"):
    """A gateway says who is connected to it: at every change, and every few seconds."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    gateway: str
    users: list[str]


class ServiceReported(Event, frozen=True, tag="service.reported"):
    """An instance of a service says what it has done since it started, every few seconds.

    `handled` and `published` are counts by type, `failed` counts what was given up; `memory`
    (bytes) and `cpu` (seconds) are of its whole process, which may run other services too;
    `store` is the product that keeps the service's data.
    """

    publisher: ClassVar[str] = ""  # every service
    stored: ClassVar[bool] = False

    service: str
    instance: str
    host: str
    pid: Count
    since: Moment
    handled: dict[str, Count]
    published: dict[str, Count]
    failed: Count
    memory: Count
    cpu: Seconds
    store: str = ""


class TypingStarted(Event, frozen=True, tag="typing.started"):
    """A user is writing in a room."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    room: RoomId
    user: UserName


class UserNotified(Event, frozen=True, tag="user.notified"):
    """A message concerns a user: it names them with `@name`, or is in a room of two."""

    publisher: ClassVar[str] = "notifications"

    user: UserName
    room: RoomId
    position: Position
    sender: UserName
    text: Text
    reason: Literal["mention", "direct"]


class PasswordChanged(Event, frozen=True, tag="user.password-changed"):
    """An account has another password."""

    user: UserName


class AccountChanged(Event, frozen=True, tag="user.account-changed"):
    """A manager gave an account another role, banned it, or let it in again."""

    user: UserName
    by: UserName
    role: Role
    banned: bool


class AccountDeleted(Event, frozen=True, tag="user.account-deleted"):
    """A user deleted their account; where their name was, `deleted_as` is put.

    Said again until nothing of the name is left, for what was under way when it was said before.
    """

    user: UserName
    deleted_as: UserName


AccountEvent = (
    UserRegistered
    | UserLoggedIn
    | LogInFailed
    | UserLoggedOut
    | PasswordChanged
    | TokenMade
    | TokenRevoked
    | AccountChanged
    | AccountDeleted
)


class SessionsEnded(Event, frozen=True, tag="user.sessions-ended"):
    """Sessions of a user are over; their sockets must go. `sessions` are the tokens' digests."""

    stored: ClassVar[bool] = False

    user: UserName
    sessions: list[str]
    reason: str = ""


def _structs(kind: type[Envelope]) -> Iterator[type[Envelope]]:
    """Find all below a kind, but those without a `tag` that are only there to be subclassed."""
    for child in kind.__subclasses__():
        if type_of(child) != child.__name__ or not child.__subclasses__():
            yield child
        yield from _structs(child)


def catalogue(kind: type[Envelope] = Envelope) -> dict[str, type[Envelope]]:
    """Every struct of a kind, by its `type` on the wire, those of your own services included.

    Raises:
        NochatError: two structs have the same type; one that is defined once more, as in a
            notebook's cell, takes the place of the first.
    """
    found: dict[str, type[Envelope]] = {}
    for struct in _structs(kind):
        other = found.get(name := type_of(struct))
        if other and _path(other) != _path(struct):
            raise NochatError(
                f"{_path(other)} and {_path(struct)} have the same type on the wire, {name!r}; "
                f"give the second one of its own: class {struct.__name__}(…, tag='…')"
            )
        found[name] = struct
    return found


def _path(struct: type[Envelope]) -> str:
    return f"{struct.__module__}.{struct.__qualname__}"


def type_of(struct: type[Envelope]) -> str:
    """The `type` of a struct on the wire, which is an event's routing key too."""
    return str(struct.__struct_config__.tag)
