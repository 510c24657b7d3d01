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
    """A fact, published once for any number of services."""

    publisher: ClassVar[str] = "controller"
    stored: ClassVar[bool] = True


class RoomEvent(Event, frozen=True):
    """An entry in a room's log; `position` counts 1, 2, 3 … in the room."""

    room: RoomId
    position: Position


# ---- events in a room's log ---------------------------------------------------------------------


class RoomCreated(RoomEvent, frozen=True, tag="room.created"):
    """A room was created; `user` owns it."""

    user: UserName
    title: Title
    kind: Kind = "public"


class RoomJoined(RoomEvent, frozen=True, tag="room.joined"):
    """A user joined a room."""

    user: UserName


class RoomLeft(RoomEvent, frozen=True, tag="room.left"):
    """A user left a room."""

    user: UserName


class RoomDeleted(RoomEvent, frozen=True, tag="room.deleted"):
    """A room was deleted with all its messages; its id is not used again."""

    user: UserName
    title: Title
    kind: Kind = "public"


class MessageSent(RoomEvent, frozen=True, omit_defaults=True, tag="message.sent"):
    """A message was sent to a room.

    `reply_to` is the position of the message that it answers. In the history, `edited` (time of the
    last edit), `deleted` and `reactions` (users by reaction) are its later changes; a deleted
    message has no text.
    """

    sender: UserName
    client_id: ClientId
    text: Annotated[str, Meta(max_length=4000)]
    reply_to: Position = 0
    edited: Moment = 0.0
    deleted: bool = False
    reactions: dict[str, list[str]] = {}


class MessageEdited(RoomEvent, frozen=True, tag="message.edited"):
    """The message at the position `target` was edited.

    In the history, `text` is the current text of the message: earlier texts are not kept. It is
    empty if the message was deleted later.
    """

    user: UserName
    target: Position
    text: Annotated[str, Meta(max_length=4000)]


class MessageDeleted(RoomEvent, frozen=True, tag="message.deleted"):
    """The message at the position `target` was deleted."""

    user: UserName
    target: Position


class ReactionChanged(RoomEvent, frozen=True, tag="reaction.changed"):
    """A user added a reaction to the message at the position `target`, or removed it."""

    user: UserName
    target: Position
    emoji: Emoji
    on: bool


class UserInvited(RoomEvent, frozen=True, tag="user.invited"):
    """A member invited a user, who may not know the room yet."""

    user: UserName
    invitee: UserName
    title: Title
    kind: Kind = "public"


class MemberModerated(RoomEvent, frozen=True, tag="member.moderated"):
    """A member was muted, kicked or banned, or a mute or ban was lifted."""

    user: UserName
    member: UserName
    action: Action


class UserErased(RoomEvent, frozen=True, omit_defaults=True, tag="user.erased"):
    """An account was deleted: its messages have the name `deleted_as`, its reactions are removed.

    In the history, `user` is `deleted_as` as well, so that the name is nowhere. `title` is the
    room's new title, if the user's name was in it.
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
    """A command was rejected; `user` receives the reason.

    `reason` is an English sentence; programs should use `code`, with its parameters in `params`.
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
    """An account was created."""

    user: UserName


class UserLoggedIn(Event, frozen=True, tag="user.logged-in"):
    """A session was opened."""

    user: UserName


class LogInFailed(Event, frozen=True, tag="user.log-in-failed"):
    """A log-in failed because of a wrong name or password.

    `user` is empty if there is no such account: the text typed may be a password, and must not be
    logged. Repeated attempts are logged only now and then: `unsaid` counts those since the last
    entry.
    """

    user: str = ""
    unsaid: Count = 0


class UserLoggedOut(Event, frozen=True, tag="user.logged-out"):
    """A session was closed."""

    user: UserName


class TokenMade(Event, frozen=True, tag="user.token-made"):
    """A user created a token for a program, called `name`."""

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
    """A gateway reported its connected users, at every change and every few seconds."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    gateway: str
    users: list[str]


class ServiceReported(Event, frozen=True, tag="service.reported"):
    """An instance of a service reported its counters, every few seconds.

    `handled` and `published` are counts by type, `failed` counts failures; `memory` (bytes) and
    `cpu` (seconds) are those of its whole process, which may run other services as well; `store`
    is the product that stores the service's data.
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
    """A user started to type in a room."""

    publisher: ClassVar[str] = "gateway"
    stored: ClassVar[bool] = False

    room: RoomId
    user: UserName


class UserNotified(Event, frozen=True, tag="user.notified"):
    """A user was notified of a message that mentions them by `@name` or is in a direct room."""

    publisher: ClassVar[str] = "notifications"

    user: UserName
    room: RoomId
    position: Position
    sender: UserName
    text: Text
    reason: Literal["mention", "direct"]


class PasswordChanged(Event, frozen=True, tag="user.password-changed"):
    """The password of an account was changed."""

    user: UserName


class AccountChanged(Event, frozen=True, tag="user.account-changed"):
    """A manager changed an account's role, banned it, or lifted its ban."""

    user: UserName
    by: UserName
    role: Role
    banned: bool


class AccountDeleted(Event, frozen=True, tag="user.account-deleted"):
    """A user deleted their account; `deleted_as` replaces their name.

    It is published again until nothing with the name is left, as commands and events may have been
    in progress.
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
    """Sessions of a user have ended, and their sockets are closed; `sessions` are their digests.

    `reason` is an English sentence; programs should use `code`, with its parameters in `params`.
    """

    stored: ClassVar[bool] = False

    user: UserName
    sessions: list[str]
    reason: str
    code: Code = UNSPECIFIED
    params: Params = {}
