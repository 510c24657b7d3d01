"""Requests from one service to another, and their replies.

Requests are in the imperative, too, but change no room; they expire when their sender stops
waiting. A request's type names that of its reply: `class GetRooms(Request[Rooms])`.
"""

import time
from functools import cache
from typing import Annotated, ClassVar, Generic, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta
from typing_extensions import TypeVar

from nochat.protocol.envelope import Envelope
from nochat.protocol.events import LogEntry, MessageSent
from nochat.protocol.fields import (
    ClientId,
    Count,
    Kind,
    Moment,
    Password,
    Position,
    Role,
    RoomId,
    Seconds,
    Title,
    UserName,
)
from nochat.protocol.reasons import UNSPECIFIED, Code, CodeOrNone, Params

Browser = Annotated[str, Meta(max_length=40)]  # "Firefox on Linux"
TokenDays = Annotated[int, Meta(ge=1, le=365)]  # until it expires
JsonValue = Annotated[object, Meta(extra_json_schema={"description": "any JSON"})]
# The stored records of a user.
RecordKind = Literal["messages", "reads", "mentions", "connections", "account_events"]

CLOCKS = 60.0  # allowed difference in seconds between the clocks of two machines


class MessageKey(NamedTuple):
    """The key of a message before it has a position."""

    room: RoomId
    sender: UserName
    client_id: ClientId


# ---- replies ------------------------------------------------------------------------------------


class Reply(Envelope, frozen=True, kw_only=True):
    """The answer to the request whose id is `in_reply_to`."""

    in_reply_to: str = ""


class Session(Reply, frozen=True, tag="users.session"):
    """A session of `user`; empty if there is none. `token` is set only for a new session.

    `digest` identifies the session without revealing its token; `ended` are the digests of the
    user's sessions that were ended with this request. If there is no session, `reason` says why in
    English, with its `code` and `params` for programs, and `account` is the account concerned, if
    it exists.
    """

    user: str = ""
    token: str = ""
    role: Role = "user"
    digest: str = ""
    expires: Moment = 0.0
    ended: list[str] = []
    reason: str = ""
    account: str = ""
    code: CodeOrNone = ""
    params: Params = {}


class Over(Reply, frozen=True, tag="users.sessions-over"):
    """The digests of sessions that have ended."""

    sessions: list[str] = []


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A session in its user's list; times are in seconds since 1970, or 0 if unknown.

    `session` is its id, which does not reveal the token. `current` marks the requesting session.
    """

    session: str
    browser: str = ""
    created: Moment = 0.0
    expires: Moment = 0.0
    current: bool = False


class Sessions(Reply, frozen=True, tag="users.sessions-are"):
    """A user's sessions, the newest first."""

    sessions: list[SessionInfo] = []


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A token in its user's list; times are in seconds since 1970, `used` is 0 for never.

    `token` is its id, which does not authenticate.
    """

    token: str
    name: str
    created: Moment
    expires: Moment
    used: Moment = 0.0


class Tokens(Reply, frozen=True, tag="users.tokens-are"):
    """A user's tokens, the newest first; `token` is set only for a new token."""

    user: str = ""
    token: str = ""
    tokens: list[TokenInfo] = []


class Removal(Reply, frozen=True, tag="users.removed"):
    """An account was deleted, with its sessions (`ended`); `deleted_as` replaces its name."""

    user: UserName
    deleted_as: UserName
    ended: list[str] = []


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account in the managers' list; `created` is in seconds since 1970."""

    name: UserName
    role: Role = "user"
    banned: bool = False
    created: Moment = 0.0


class Accounts(Reply, frozen=True, tag="users.accounts-are"):
    """Accounts by name; `more` is true if there are more, `ended` are digests of ended sessions."""

    accounts: list[Account] = []
    more: bool = False
    ended: list[str] = []


class RememberedMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message in a controller's memory; `at` is in seconds since 1970.

    `reactions` (users by reaction) are set if the controller requested them.
    """

    position: Position
    sender: str
    client_id: str
    deleted: bool = False
    at: Moment = 0.0
    reactions: dict[str, list[str]] | None = None


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room's state in the log; without a title, the room does not exist."""

    room: RoomId
    title: str = ""
    kind: Kind = "public"
    owner: str = ""
    members: list[str] = []
    invited: list[str] = []
    muted: list[str] = []
    banned: list[str] = []
    position: Position = 0
    deleted: bool = False


class KnownRoom(msgspec.Struct, frozen=True, kw_only=True):
    """One of several rooms that a controller requests, with the fields of `RoomState`."""

    room: RoomInfo
    recent: list[RememberedMessage] = []
    since: Moment = 0.0


class RoomState(Reply, frozen=True, tag="activity.room-state-is"):
    """The state of a room for a controller; `recent` are the last messages, oldest first.

    `since` is the time of the last message before those, or 0 if there is none or an older service
    leaves it out; `others` are the other rooms that were requested.
    """

    room: RoomInfo
    recent: list[RememberedMessage] = []
    since: Moment = 0.0
    others: list[KnownRoom] = []


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A room for one user: its last position, and the last position that the user has read.

    `invited` is true for an invited user; then only the owner is named, and clients do not get the
    position. `unread` and `mentions` count the messages of others since `read`, up to 100.
    """

    room: RoomId
    title: str
    kind: Kind = "public"
    owner: str = ""
    members: list[str]
    muted: list[str] = []
    banned: list[str] = []
    invited: bool = False
    position: Position
    read: Position = 0
    unread: Count = 0
    mentions: Count = 0


class Rooms(Reply, frozen=True, tag="activity.rooms-are"):
    """The rooms of a user as member or invited user."""

    rooms: list[RoomSummary] = []


class RoomListing(msgspec.Struct, frozen=True, kw_only=True):
    """A public room in the list for non-members; `members` is their number."""

    room: RoomId
    title: str
    owner: str = ""
    members: Count = 0


class FoundRooms(Reply, frozen=True, tag="activity.found-rooms"):
    """Public rooms in order of their ids; `more` is true if there are more."""

    rooms: list[RoomListing] = []
    more: bool = False


class History(Reply, frozen=True, tag="activity.history-is"):
    """A part of a room's log in order of position; `more` is true if the log continues."""

    room: RoomId
    entries: list[LogEntry] = []
    more: bool = False


class FoundMessages(Reply, frozen=True, tag="activity.found-messages"):
    """The requested messages that are in the log."""

    found: list[MessageKey] = []


class Traces(Reply, frozen=True, tag="activity.traces-are"):
    """Rooms by their ids."""

    rooms: list[str] = []


class Records(Reply, frozen=True, tag="activity.records-are"):
    """Stored records of a user; `after` is the cursor of the next page, None at the end."""

    records: list[dict[str, JsonValue]] = []
    after: str | Moment | None = None


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log of accounts: an event's type, and the fields that it has.

    `mark` is the cursor for earlier entries; `user` is empty if there is no such account.
    """

    mark: str
    event: str
    at: Moment
    user: str = ""
    by: str = ""
    role: Role | None = None
    banned: bool | None = None
    name: str = ""
    unsaid: Count = 0


class AccountEntries(Reply, frozen=True, tag="activity.account-events-are"):
    """Entries of the log of accounts, the newest first; `more` is true if there are more."""

    entries: list[AccountEntry] = []
    more: bool = False


class Found(Reply, frozen=True, tag="activity.found"):
    """Messages, the newest first; `more` is true if there are more."""

    entries: list[MessageSent] = []
    more: bool = False


class AllRooms(Reply, frozen=True, tag="activity.all-rooms-are"):
    """Rooms other than direct ones, in order of their ids; `more` is true if there are more."""

    rooms: list[RoomInfo] = []
    more: bool = False


class Trends(Reply, frozen=True, tag="activity.trends-are"):
    """Names with their counts, the highest first; `hours` are hours of the day, in UTC.

    Only the newest messages are counted: `since` is the time of the first of them, if there are
    older ones. `titles` are the titles of the rooms.
    """

    users: list[tuple[str, Count]] = []
    rooms: list[tuple[str, Count]] = []
    words: list[tuple[str, Count]] = []
    hours: list[tuple[Count, Count]] = []
    connections: Count = 0
    messages: Count = 0
    since: Moment = 0.0
    titles: dict[str, str] = {}


class Failed(Reply, frozen=True, tag="failed"):
    """The request failed; `retry` is true if a later retry may succeed.

    `reason` is an English sentence; programs should use `code`, with its parameters in `params`.
    `wait` is set by a busy service: the seconds until a retry.
    """

    reason: str
    retry: bool = False
    wait: Seconds = 0.0
    code: Code = UNSPECIFIED
    params: Params = {}


# ---- requests -----------------------------------------------------------------------------------

Answer = TypeVar("Answer", bound=Reply, default=Reply, covariant=True)


class Request(Envelope, Generic[Answer], frozen=True, kw_only=True):
    """A request to one service, answered by one reply.

    `expires` is the time (seconds since 1970) after which nobody waits for the reply; 0 for none.
    """

    service: ClassVar[str]
    # An ordered request waits in its service's queue behind the events published before it.
    ordered: ClassVar[bool] = False
    # Other requests wait in `SERVICE.LANE`, behind those of their lane alone.
    lane: ClassVar[str] = "requests"
    # Seconds that the sender waits for the reply, by default.
    patience: ClassVar[float] = 5.0

    expires: Moment = 0.0

    @property
    def is_expired(self) -> bool:
        """True if its sender no longer waits, with a tolerance for the difference of clocks."""
        return bool(self.expires) and time.time() > self.expires + CLOCKS


class PasswordRequest(Request[Answer], Generic[Answer], frozen=True, kw_only=True):
    """A request that hashes passwords, which is slow on purpose, in a lane of its own."""

    lane: ClassVar[str] = "passwords"
    # On a busy machine, the answer "many people are logging in" may come late.
    patience: ClassVar[float] = 10.0


class Analysis(Request[Answer], Generic[Answer], frozen=True, kw_only=True):
    """A request that reads a lot: handled one at a time, without delaying other kinds."""

    lane: ClassVar[str] = "analytics"


class RegisterUser(PasswordRequest[Session], frozen=True, tag="user.register"):
    """Create an account and open its first session, in a browser of that name."""

    service: ClassVar[str] = "controller"

    user: UserName
    password: Password
    browser: Browser = ""


class LogIn(PasswordRequest[Session], frozen=True, tag="user.log-in"):
    """Open a session in a browser of that name; the `user` may be a mistyped password."""

    secret: ClassVar[frozenset[str]] = Envelope.secret | {"user"}
    service: ClassVar[str] = "controller"

    user: str
    password: str
    browser: Browser = ""


class LogOut(Request[Session], frozen=True, tag="user.log-out"):
    """Close a session."""

    service: ClassVar[str] = "controller"

    token: str


class EndSessions(Request[Session], frozen=True, tag="user.end-sessions"):
    """End a session of the user by its id, or all but the current one if `session` is ""."""

    service: ClassVar[str] = "controller"

    token: str
    session: str = ""


class MakeToken(PasswordRequest[Tokens], frozen=True, tag="user.make-token"):
    """Create a token for a program of a session's user, who repeats the password."""

    service: ClassVar[str] = "controller"

    token: str
    password: str
    name: Title
    days: TokenDays


class RevokeToken(Request[Tokens], frozen=True, tag="user.revoke-token"):
    """Revoke a token of the user by its id."""

    service: ClassVar[str] = "controller"

    token: str
    which: str


class DeleteAccount(PasswordRequest[Removal], frozen=True, tag="user.delete-account"):
    """Delete the account of a session's user, who repeats the password."""

    service: ClassVar[str] = "controller"

    token: str
    password: str


class ChangePassword(PasswordRequest[Session], frozen=True, tag="user.change-password"):
    """Change an account's password; its other sessions end."""

    service: ClassVar[str] = "controller"

    token: str
    password: str
    new_password: Password


class ChangeAccount(Request[Accounts], frozen=True, tag="user.change-account"):
    """Change an account's role, ban it, or lift its ban; None changes nothing."""

    service: ClassVar[str] = "controller"

    user: UserName
    by: UserName
    role: Role | None = None
    banned: bool | None = None


class CreateUser(PasswordRequest[Session], frozen=True, tag="users.create"):
    """Store an account, and open its first session."""

    service: ClassVar[str] = "users"

    user: UserName
    password: Password
    browser: Browser = ""


class OpenSession(PasswordRequest[Session], frozen=True, tag="users.open-session"):
    """Check a password and open a session."""

    secret: ClassVar[frozenset[str]] = LogIn.secret
    service: ClassVar[str] = "users"

    user: str
    password: str
    browser: Browser = ""


class CloseSession(Request[Session], frozen=True, tag="users.close-session"):
    """End a session."""

    service: ClassVar[str] = "users"

    token: str


class CloseSessions(Request[Session], frozen=True, tag="users.close-sessions"):
    """End a session of the user by its id, or all but the current one if `session` is ""."""

    service: ClassVar[str] = "users"

    token: str
    session: str = ""


class GetSessions(Request[Sessions], frozen=True, tag="users.sessions"):
    """Return the sessions of a session's user."""

    service: ClassVar[str] = "users"

    token: str


class CreateToken(PasswordRequest[Tokens], frozen=True, tag="users.create-token"):
    """Store a token of a session's user, if the password is right."""

    service: ClassVar[str] = "users"

    token: str
    password: str
    name: Title
    days: TokenDays


class RemoveToken(Request[Tokens], frozen=True, tag="users.remove-token"):
    """Remove the user's token of that id."""

    service: ClassVar[str] = "users"

    token: str
    which: str


class GetTokens(Request[Tokens], frozen=True, tag="users.tokens"):
    """Return the tokens of a session's user."""

    service: ClassVar[str] = "users"

    token: str


class WhoseToken(Request[Session], frozen=True, tag="users.whose-token"):
    """Authenticate a program by its token; return the token's user."""

    service: ClassVar[str] = "users"

    token: str


class RemoveAccount(PasswordRequest[Removal], frozen=True, tag="users.remove-account"):
    """Remove the account of a session's user, and its sessions, if the password is right."""

    service: ClassVar[str] = "users"

    token: str
    password: str


class SetPassword(PasswordRequest[Session], frozen=True, tag="users.set-password"):
    """Store a new password for a session's user, and end the user's other sessions."""

    service: ClassVar[str] = "users"

    token: str
    password: str
    new_password: Password


class SetAccount(Request[Accounts], frozen=True, tag="users.set-account"):
    """Store an account's role, or whether it is banned; a banned account's sessions end."""

    service: ClassVar[str] = "users"

    user: UserName
    role: Role | None = None
    banned: bool | None = None


class FindUser(Request[Accounts], frozen=True, tag="users.find"):
    """Return the account of a name, regardless of capitals."""

    service: ClassVar[str] = "users"

    user: str


class GetAccounts(Request[Accounts], frozen=True, tag="users.accounts"):
    """Return accounts by a prefix of their names, in order of name, after a name."""

    service: ClassVar[str] = "users"

    prefix: str = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class WhoIs(Request[Session], frozen=True, tag="users.who-is"):
    """Authenticate a session's token; return its session."""

    service: ClassVar[str] = "users"

    token: str


class KeepSessions(Request[Over], frozen=True, tag="users.keep-sessions"):
    """Keep sessions in use alive, by their digests; return those that have ended."""

    service: ClassVar[str] = "users"

    sessions: Annotated[list[str], Meta(max_length=500)]


class GetRoomState(Request[RoomState], frozen=True, tag="activity.room-state"):
    """Return the state that a controller needs before it decides commands in a room.

    `others` are further rooms for the same reply, which then has fewer messages of each. Older
    services return `room` alone: request the missing ones again.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    room: RoomId
    recent: bool = True
    others: Annotated[list[RoomId], Meta(max_length=500)] = []


class GetRooms(Request[Rooms], frozen=True, tag="activity.rooms"):
    """Return a user's rooms and invitations, with the positions that the user has read.

    `room` is one of them, or "" for all.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName
    room: str = ""


class GetHistory(Request[History], frozen=True, tag="activity.history"):
    """Return a part of a room's log: the entries after `after`, or the newest before `before`.

    Pages before a position leave out edits, deletions and reactions, as the messages contain them.
    `user` is the reader, who must be a member; null is for services that show the log to nobody.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName | None
    room: RoomId
    after: Position | None = None
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class FindMessages(Request[FoundMessages], frozen=True, tag="activity.find"):
    """Return the messages that are in the log, by room, sender and client id."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    wanted: Annotated[list[MessageKey], Meta(max_length=500)]


class SearchMessages(Analysis[Found], frozen=True, tag="activity.search"):
    """Return messages in a user's rooms that contain all words of a text, the newest first.

    The last word may be a prefix. `room` is one room, or "" for all of the user's; `before` is a
    time (seconds since 1970).
    """

    service: ClassVar[str] = "activity"

    user: UserName
    text: Annotated[str, Meta(min_length=1, max_length=200)]
    room: str = ""
    before: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class FindRooms(Request[FoundRooms], frozen=True, tag="activity.find-rooms"):
    """Return public rooms in order of their ids, after an id.

    `text` is a part of their titles, `only` the id of one room; "" is any.
    """

    service: ClassVar[str] = "activity"

    text: Annotated[str, Meta(max_length=200)] = ""
    only: str = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class GetAllRooms(Request[AllRooms], frozen=True, tag="activity.all-rooms"):
    """Return the rooms other than direct ones, for managers, in order of their ids, after an id.

    `text` is a part of their titles.
    """

    service: ClassVar[str] = "activity"

    text: Annotated[str, Meta(max_length=200)] = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class GetTraces(Request[Traces], frozen=True, tag="activity.traces"):
    """Return the rooms that contain any trace of a user."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName


class GetRecords(Request[Records], frozen=True, tag="activity.records"):
    """Return the stored records of a user: a page of `kind`, after the cursor `after`.

    `room` is the room of the messages.
    """

    service: ClassVar[str] = "activity"

    user: UserName
    kind: RecordKind
    room: str = ""
    after: str | Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 500


class GetAccountEvents(Request[AccountEntries], frozen=True, tag="activity.account-events"):
    """Return entries of the log of accounts, the newest first, before a cursor.

    `user` is an account's name, `event` a type; "" is any.
    """

    service: ClassVar[str] = "activity"

    user: str = ""
    event: str = ""
    before: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class GetTrends(Analysis[Trends], frozen=True, tag="activity.trends"):
    """Return statistics of public rooms since a time: users, rooms, words and hours."""

    service: ClassVar[str] = "activity"

    since: Moment = 0.0
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


@cache
def reply_of(kind: type[Request]) -> type[Reply]:
    """Return the type of a request's reply; `Reply` if the request does not name it."""
    for base in kind.__mro__:
        for alias in vars(base).get("__orig_bases__", ()):
            for argument in get_args(alias):
                if isinstance(argument, type) and issubclass(argument, Reply):
                    return argument
    return Reply
