"""The catalogue's other half: what one service asks another, and the replies.

Requests are in the imperative too, but change no room; they are gone when they time out. The type
of a request names its reply's: `class GetRooms(Request[Rooms])`.
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
TokenDays = Annotated[int, Meta(ge=1, le=365)]  # until it ends
JsonValue = Annotated[object, Meta(extra_json_schema={"description": "any JSON"})]
# What is stored of a user.
RecordKind = Literal["messages", "reads", "mentions", "connections", "account_events"]

CLOCKS = 60.0  # seconds that the clocks of two machines may differ: one of them slept, say


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
    """A session of `user`, nobody's if empty. `token` is given only when it is new.

    `digest` is what the session is known by to those who may not know its token; `ended` are the
    digests of the user's sessions that ended with this, and `reason` says why there is none, in
    English, with its `code` and `params` for programs; `account` is then whose it would have been,
    if there is such an account.
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
    """Sessions that are over, by their digests."""

    sessions: list[str] = []


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its user sees it; times are in seconds since 1970, 0 where nobody knows.

    `session` is what to call it by: it tells nothing of the token. `current` is the one that asks.
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
    """A token as its user sees it; times are in seconds since 1970, `used` 0: never.

    `token` is what to call it by: nobody comes in with that.
    """

    token: str
    name: str
    created: Moment
    expires: Moment
    used: Moment = 0.0


class Tokens(Reply, frozen=True, tag="users.tokens-are"):
    """A user's tokens, the newest first; `token` is given only when the one listed is new."""

    user: str = ""
    token: str = ""
    tokens: list[TokenInfo] = []


class Removal(Reply, frozen=True, tag="users.removed"):
    """An account is gone, with its sessions (`ended`); `deleted_as` stands in its place."""

    user: UserName
    deleted_as: UserName
    ended: list[str] = []


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as managers see it; `created` is in seconds since 1970."""

    name: UserName
    role: Role = "user"
    banned: bool = False
    created: Moment = 0.0


class Accounts(Reply, frozen=True, tag="users.accounts-are"):
    """Accounts in order of name; `more` says that there are more, `ended` which sessions ended."""

    accounts: list[Account] = []
    more: bool = False
    ended: list[str] = []


class RememberedMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message, as a controller remembers it; `at` is in seconds since 1970.

    `reactions` (who, by reaction) are there where the controller asked for them.
    """

    position: Position
    sender: str
    client_id: str
    deleted: bool = False
    at: Moment = 0.0
    reactions: dict[str, list[str]] | None = None


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room as the log has it; no title: there is no such room."""

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
    """One room of several that a controller asks for, as `RoomState` tells of one."""

    room: RoomInfo
    recent: list[RememberedMessage] = []
    since: Moment = 0.0


class RoomState(Reply, frozen=True, tag="activity.room-state-is"):
    """The state that a controller must know; `recent` are the last messages, oldest first.

    `since` is when the last message was sent that came before those, 0 where older services do not
    say, or none did; `others` are the other rooms that were asked for.
    """

    room: RoomInfo
    recent: list[RememberedMessage] = []
    since: Moment = 0.0
    others: list[KnownRoom] = []


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One room for one user: its last position, and the last that the user has read.

    `invited` says that the user is, and then nobody else is named but the owner, and the position
    is not told to clients; `unread` and `mentions` count what others wrote since, up to 100.
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
    """The rooms that a user is in or invited to."""

    rooms: list[RoomSummary] = []


class RoomListing(msgspec.Struct, frozen=True, kw_only=True):
    """A public room, as people see it who are not in it; `members` is their number."""

    room: RoomId
    title: str
    owner: str = ""
    members: Count = 0


class FoundRooms(Reply, frozen=True, tag="activity.found-rooms"):
    """Public rooms in order of their ids; `more` says that there are more."""

    rooms: list[RoomListing] = []
    more: bool = False


class History(Reply, frozen=True, tag="activity.history-is"):
    """A part of a room's log in order of position; `more` says that there is more of it."""

    room: RoomId
    entries: list[LogEntry] = []
    more: bool = False


class FoundMessages(Reply, frozen=True, tag="activity.found-messages"):
    """Those of the messages asked for that the log has."""

    found: list[MessageKey] = []


class Traces(Reply, frozen=True, tag="activity.traces-are"):
    """Rooms by their ids."""

    rooms: list[str] = []


class Records(Reply, frozen=True, tag="activity.records-are"):
    """Stored records of a user; `after` is the mark to go on from, None at the end."""

    records: list[dict[str, JsonValue]] = []
    after: str | Moment | None = None


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of an account's log: an event's type, and those of its fields that it has.

    `mark` is what to ask for what came before it; an empty `user` is nobody's account.
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
    """Entries of the log of accounts, the newest first; `more` says that there is more."""

    entries: list[AccountEntry] = []
    more: bool = False


class Found(Reply, frozen=True, tag="activity.found"):
    """Messages, the newest first; `more` says that there are more."""

    entries: list[MessageSent] = []
    more: bool = False


class AllRooms(Reply, frozen=True, tag="activity.all-rooms-are"):
    """Rooms that are not direct, in order of their ids; `more` says that there are more."""

    rooms: list[RoomInfo] = []
    more: bool = False


class Trends(Reply, frozen=True, tag="activity.trends-are"):
    """Pairs of what was counted and its count, most first; `hours` are of the day, in UTC.

    Only the newest messages are counted: `since` is when the first of them was sent, where there
    are older ones. `titles` are those of the rooms.
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
    """The request could not be met; `retry` says that it may be, later.

    `reason` is for people who read English; programs go by `code`, and `params` are its parameters.
    `wait` is given by a busy service: the seconds after which to try again.
    """

    reason: str
    retry: bool = False
    wait: Seconds = 0.0
    code: Code = UNSPECIFIED
    params: Params = {}


# ---- requests -----------------------------------------------------------------------------------

Answer = TypeVar("Answer", bound=Reply, default=Reply, covariant=True)


class Request(Envelope, Generic[Answer], frozen=True, kw_only=True):
    """A question to one service, answered by one reply; gone when it times out.

    `expires` (seconds since 1970) is when nobody waits for the answer any longer; 0: never.
    """

    service: ClassVar[str]
    # An ordered request waits in its service's queue behind the events that were published before.
    ordered: ClassVar[bool] = False
    # The others wait in `SERVICE.LANE`: behind those of their lane alone.
    lane: ClassVar[str] = "requests"
    # Seconds that the sender waits for the reply, by default.
    patience: ClassVar[float] = 5.0

    expires: Moment = 0.0

    @property
    def is_expired(self) -> bool:
        """True once nobody waits for the answer, by a clock that may not be the asker's."""
        return bool(self.expires) and time.time() > self.expires + CLOCKS


class PasswordRequest(Request[Answer], Generic[Answer], frozen=True, kw_only=True):
    """A request that hashes passwords: it takes long on purpose, so others don't wait behind it."""

    lane: ClassVar[str] = "passwords"
    # On a busy machine, that many people log in is said later than at once: better than nothing.
    patience: ClassVar[float] = 10.0


class Analysis(Request[Answer], Generic[Answer], frozen=True, kw_only=True):
    """A question that reads much: one is answered at a time, and no other kind waits for it."""

    lane: ClassVar[str] = "analytics"


class RegisterUser(PasswordRequest[Session], frozen=True, tag="user.register"):
    """Make an account and open its first session, in a browser that is called so."""

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
    """End the user's session of that id, or all but the present one where `id` is ""."""

    service: ClassVar[str] = "controller"

    token: str
    session: str = ""


class MakeToken(PasswordRequest[Tokens], frozen=True, tag="user.make-token"):
    """Make a token for a program of a session's user, who gives the password once more."""

    service: ClassVar[str] = "controller"

    token: str
    password: str
    name: Title
    days: TokenDays


class RevokeToken(Request[Tokens], frozen=True, tag="user.revoke-token"):
    """End the user's token of that id."""

    service: ClassVar[str] = "controller"

    token: str
    which: str


class DeleteAccount(PasswordRequest[Removal], frozen=True, tag="user.delete-account"):
    """Delete the account of a session's user, who gives the password once more."""

    service: ClassVar[str] = "controller"

    token: str
    password: str


class ChangePassword(PasswordRequest[Session], frozen=True, tag="user.change-password"):
    """Give an account another password; its other sessions end."""

    service: ClassVar[str] = "controller"

    token: str
    password: str
    new_password: Password


class ChangeAccount(Request[Accounts], frozen=True, tag="user.change-account"):
    """Give an account another role, ban it or let it in again; None leaves as it is."""

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
    """End the user's session of that id, or all but the present one where `id` is ""."""

    service: ClassVar[str] = "users"

    token: str
    session: str = ""


class GetSessions(Request[Sessions], frozen=True, tag="users.sessions"):
    """Ask for the sessions of a session's user."""

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
    """Ask for the tokens of a session's user."""

    service: ClassVar[str] = "users"

    token: str


class WhoseToken(Request[Session], frozen=True, tag="users.whose-token"):
    """Ask whose program it is that comes with a token."""

    service: ClassVar[str] = "users"

    token: str


class RemoveAccount(PasswordRequest[Removal], frozen=True, tag="users.remove-account"):
    """Remove the account of a session's user, and its sessions, if the password is right."""

    service: ClassVar[str] = "users"

    token: str
    password: str


class SetPassword(PasswordRequest[Session], frozen=True, tag="users.set-password"):
    """Store another password for a session's user, and end the user's other sessions."""

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
    """Ask for the account of that name, however it is capitalised."""

    service: ClassVar[str] = "users"

    user: str


class GetAccounts(Request[Accounts], frozen=True, tag="users.accounts"):
    """Ask for the accounts whose names begin so, in order of name, after a name."""

    service: ClassVar[str] = "users"

    prefix: str = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class WhoIs(Request[Session], frozen=True, tag="users.who-is"):
    """Ask whose session a token is."""

    service: ClassVar[str] = "users"

    token: str


class KeepSessions(Request[Over], frozen=True, tag="users.keep-sessions"):
    """Say which sessions are in use, by their digests; the reply has those that are over."""

    service: ClassVar[str] = "users"

    sessions: Annotated[list[str], Meta(max_length=500)]


class GetRoomState(Request[RoomState], frozen=True, tag="activity.room-state"):
    """Ask for the state that a controller must know before it may decide in a room.

    `others` are rooms to tell of in the same reply, which then has fewer messages of each. Older
    services tell of `room` alone: ask again for what is missing.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    room: RoomId
    recent: bool = True
    others: Annotated[list[RoomId], Meta(max_length=500)] = []


class GetRooms(Request[Rooms], frozen=True, tag="activity.rooms"):
    """Ask for the rooms that a user is in or invited to, and how far the user has read.

    `room` is one of them, or "" for all.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName
    room: str = ""


class GetHistory(Request[History], frozen=True, tag="activity.history"):
    """Ask for a room's log: what follows `after`, or the newest before `before`.

    What came before leaves edits, deletions and reactions out: the messages show them. `user` is
    whom it is shown to, who must be a member; null is a service that shows it to nobody.
    """

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName | None
    room: RoomId
    after: Position | None = None
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class FindMessages(Request[FoundMessages], frozen=True, tag="activity.find"):
    """Ask which messages the log has, by their room, sender and the sender's own id."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    wanted: Annotated[list[MessageKey], Meta(max_length=500)]


class SearchMessages(Analysis[Found], frozen=True, tag="activity.search"):
    """Ask for a user's messages that hold all these words, the newest first.

    The last word may be a beginning. `room` is one room, or "" for all of the user's; `before` is
    a time (seconds since 1970).
    """

    service: ClassVar[str] = "activity"

    user: UserName
    text: Annotated[str, Meta(min_length=1, max_length=200)]
    room: str = ""
    before: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class FindRooms(Request[FoundRooms], frozen=True, tag="activity.find-rooms"):
    """Ask for public rooms in order of their ids, after an id.

    `text` is a part of their titles, `only` the id of one room; "" is any.
    """

    service: ClassVar[str] = "activity"

    text: Annotated[str, Meta(max_length=200)] = ""
    only: str = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class GetAllRooms(Request[AllRooms], frozen=True, tag="activity.all-rooms"):
    """Ask for the rooms that are not direct, as managers see them, in order of their ids.

    `text` is a part of their titles; those after an id are given.
    """

    service: ClassVar[str] = "activity"

    text: Annotated[str, Meta(max_length=200)] = ""
    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class GetTraces(Request[Traces], frozen=True, tag="activity.traces"):
    """Ask in which rooms there is anything of a user."""

    service: ClassVar[str] = "activity"
    ordered: ClassVar[bool] = True

    user: UserName


class GetRecords(Request[Records], frozen=True, tag="activity.records"):
    """Ask for the stored records of one user: a page of `kind`, after the mark `after`.

    `room` is the room of the messages.
    """

    service: ClassVar[str] = "activity"

    user: UserName
    kind: RecordKind
    room: str = ""
    after: str | Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 500


class GetAccountEvents(Request[AccountEntries], frozen=True, tag="activity.account-events"):
    """Ask for entries of the log of accounts, the newest first, before a mark.

    `user` is one account's name, `event` a type; "" is any.
    """

    service: ClassVar[str] = "activity"

    user: str = ""
    event: str = ""
    before: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class GetTrends(Analysis[Trends], frozen=True, tag="activity.trends"):
    """Ask for what people do in public rooms: users, rooms, words and hours since a time."""

    service: ClassVar[str] = "activity"

    since: Moment = 0.0
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


@cache
def reply_of(kind: type[Request]) -> type[Reply]:
    """Return the type of a request's reply; `Reply` where the request does not name it."""
    for base in kind.__mro__:
        for alias in vars(base).get("__orig_bases__", ()):
            for argument in get_args(alias):
                if isinstance(argument, type) and issubclass(argument, Reply):
                    return argument
    return Reply
