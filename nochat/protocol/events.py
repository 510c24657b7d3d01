"""Events, in the past tense: they have happened, and any number of services may listen."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from nochat.protocol.envelope import Envelope
from nochat.protocol.fields import (
    Action,
    ClientId,
    Count,
    Emoji,
    Kind,
    Moment,
    Position,
    Role,
    RoomId,
    Seconds,
    Text,
    Title,
    UserName,
)
from nochat.protocol.reasons import UNSPECIFIED, Code, Params


class Event(Envelope, frozen=True):
    """A fact: published once, heard by any number of services."""

    publisher: ClassVar[str] = "controller"
    stored: ClassVar[bool] = True


class RoomEvent(Event, frozen=True):
    """A fact in a room's log; `position` counts 1, 2, 3 … in the room."""

    room: RoomId
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

    In the history it has the text that the message has now: what was edited away
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

    In the history it has `deleted_as` in `user` too: the name is gone from there.
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
    """A command was refused; `user` is told why.

    `reason` is for people who read English; programs go by `code`, and `params` are its parameters.
    """

    stored: ClassVar[bool] = False

    room: RoomId
    user: UserName
    command_id: str
    reason: str
    client_id: str = ""
    code: Code = UNSPECIFIED
    params: Params = {}


class UserRegistered(Event, frozen=True, tag="user.registered"):
    """An account was made."""

    user: UserName


class UserLoggedIn(Event, frozen=True, tag="user.logged-in"):
    """A session was opened."""

    user: UserName


class LogInFailed(Event, frozen=True, tag="user.log-in-failed"):
    """Somebody gave a wrong name or password.

    No `user`: there is no such account. What was typed may be a password, and this is for the log.
    Endless attempts are logged now and then: `unsaid` counts those since the last entry.
    """

    user: str = ""
    unsaid: Count = 0


class UserLoggedOut(Event, frozen=True, tag="user.logged-out"):
    """A session was closed."""

    user: UserName


class TokenMade(Event, frozen=True, tag="user.token-made"):
    """A user made a token for a program, called `name`."""

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
    """A gateway reports its connected users: at every change, and every few seconds."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    gateway: str
    users: list[str]


class ServiceReported(Event, frozen=True, tag="service.reported"):
    """An instance of a service reports its counters every few seconds.

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
    """Sessions of a user are over; their sockets must go. `sessions` are the tokens' digests.

    `reason`, in English, says why; programs go by `code`, and `params` are its parameters.
    """

    stored: ClassVar[bool] = False

    user: UserName
    sessions: list[str]
    reason: str
    code: Code = UNSPECIFIED
    params: Params = {}
