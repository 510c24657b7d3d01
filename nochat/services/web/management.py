"""The calls of the management page, for managers."""

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nochat.bus.inspection import DeadLetter, QueueState
from nochat.bus.routing import DEAD_LETTERS, Queue
from nochat.domain.text import identity
from nochat.protocol import reasons
from nochat.protocol.actions import account
from nochat.protocol.commands import DeleteRoom, ModerateMember
from nochat.protocol.fields import LOBBY, Action, Count, Moment, Position, Role, RoomId, Seconds
from nochat.protocol.incoming import AskedName, Incoming, Sought
from nochat.protocol.requests import (
    Account,
    AccountEntry,
    ChangeAccount,
    FindUser,
    GetAccountEvents,
    GetAccounts,
    GetAllRooms,
)
from nochat.runtime import registry
from nochat.runtime.instances import Watch
from nochat.services.web.rest import Call, Caller, Empty, NotAllowed, name_in, room_in
from nochat.settings import Settings

MOST_LETTERS = 50


class AccountQuery(Incoming, frozen=True):
    """A query for accounts by a prefix of their names, after a name."""

    prefix: AskedName = ""
    after: AskedName = ""


class AccountList(msgspec.Struct, frozen=True):
    """Accounts in order of name; `more` is true if there are more."""

    users: list[Account]
    more: bool


class Changes(msgspec.Struct, frozen=True):
    """Changes to an account; omitted fields stay unchanged."""

    role: Role | None = None
    banned: bool | None = None


class Room(msgspec.Struct, frozen=True):
    """A room, without its messages."""

    room: RoomId
    title: str
    kind: str
    owner: str
    members: list[str]
    muted: list[str]
    banned: list[str]
    position: Position


class RoomQuery(Incoming, frozen=True):
    """A query for rooms by a text in their titles, after an id."""

    text: Sought = ""
    after: Annotated[str, Meta(max_length=40)] = ""


class RoomList(msgspec.Struct, frozen=True):
    """Rooms other than direct ones, in order of their ids; `more` is true if there are more."""

    rooms: list[Room]
    more: bool


class Moderation(msgspec.Struct, frozen=True):
    """A moderation of a member."""

    action: Action


class Instance(msgspec.Struct, frozen=True):
    """An instance of a service, as reported at `at`: memory in bytes, `cpu` in seconds."""

    instance: str
    host: str
    pid: Count
    since: Moment
    at: Moment
    handled: Count
    published: Count
    failed: Count
    memory: Count
    cpu: Seconds


class ServiceView(msgspec.Struct, frozen=True):
    """A service, the product of its store, and its instances; none if it is down."""

    name: str
    store: str
    instances: list[Instance]


class EventCount(msgspec.Struct, frozen=True):
    """The number of published events of a type."""

    type: str
    count: Count


class Services(msgspec.Struct, frozen=True):
    """The running services; counts never decrease, so rates are differences of two answers.

    `bus` is `RabbitMQ`, or the `memory` of one process.
    """

    at: Moment
    bus: str
    services: list[ServiceView]
    queues: list[QueueState]
    events: list[EventCount]


class LetterList(msgspec.Struct, frozen=True):
    """The oldest dead letters; `more` is true if there are more."""

    letters: list[DeadLetter]
    more: bool


class LetterDecision(msgspec.Struct, frozen=True):
    """A decision about a dead letter: to replay or to discard it."""

    action: Literal["replay", "discard"]


AccountEventType = Literal[
    "",
    "user.registered",
    "user.logged-in",
    "user.log-in-failed",
    "user.logged-out",
    "user.password-changed",
    "user.token-made",
    "user.token-revoked",
    "user.account-changed",
    "user.account-deleted",
]


class AccountEventQuery(Incoming, frozen=True):
    """A query for events of one account, of one type, before a cursor; "" is any."""

    user: AskedName = ""
    event: AccountEventType = ""
    before: Annotated[str, Meta(max_length=64)] = ""


class AccountLog(msgspec.Struct, frozen=True):
    """Entries of the log of accounts, the newest first; `more` is true if there are more.

    `days` is the time that they are kept; 0 to keep all of it.
    """

    entries: list[AccountEntry]
    more: bool
    days: Count


async def _account_log(caller: Caller, sent: AccountEventQuery) -> AccountLog:
    """Return the log of accounts: log-ins, refusals, log-outs, changed roles."""
    user = sent.user
    if user:
        answer = await caller.bus.request(FindUser(user=user))
        user = answer.accounts[0].name if answer.accounts else user
    asked = GetAccountEvents(user=user, event=sent.event, before=sent.before)
    log = await caller.bus.request(asked)
    return AccountLog(log.entries, log.more, caller.shared.settings.log_days)


async def _users(caller: Caller, sent: AccountQuery) -> AccountList:
    """List accounts."""
    asked = GetAccounts(prefix=sent.prefix, after=sent.after, limit=50)
    answer = await caller.bus.request(asked)
    return AccountList(answer.accounts, answer.more)


async def _change_user(caller: Caller, sent: Changes) -> Empty:
    """Ban an account, lift its ban, or change its role."""
    name = name_in(caller)
    if identity(name) == identity(caller.session.user):
        raise NotAllowed(409, reasons.account_own())
    by = caller.session.user
    await caller.bus.request(ChangeAccount(user=name, by=by, role=sent.role, banned=sent.banned))
    return Empty()


async def _rooms(caller: Caller, sent: RoomQuery) -> RoomList:
    """List rooms."""
    asked = GetAllRooms(text=sent.text, after=sent.after, limit=50)
    answer = await caller.bus.request(asked)
    rooms = [msgspec.convert(room, Room, from_attributes=True) for room in answer.rooms]
    return RoomList(rooms, answer.more)


async def _delete_room(caller: Caller, _: Empty) -> Empty:
    """Delete a room with all its messages."""
    room = room_in(caller)
    if room == LOBBY:
        raise NotAllowed(409, reasons.room_lobby())
    await caller.bus.publish(DeleteRoom(room, caller.session.user, manager=True))
    return Empty()


async def _moderate(caller: Caller, sent: Moderation) -> Empty:
    """Mute, kick or ban a member of a room."""
    room, who = room_in(caller), caller.session.user
    member = await account(name_in(caller), caller.bus)
    await caller.bus.publish(ModerateMember(room, who, member, sent.action, manager=True))
    return Empty()


async def _services(caller: Caller, _: Empty) -> Services:
    """Return the state of the services and their queues."""
    watch, ours = caller.shared.watch, registry.names(caller.shared.settings)
    alive = watch.services()
    silent = {*ours, *watch.names()} - {service["name"] for service in alive}
    away = [{"name": name, "store": watch.store(name), "instances": []} for name in sorted(silent)]
    report: dict[str, Any] = {
        "at": time.time(),
        "bus": "memory" if caller.shared.settings.is_bus_local else "RabbitMQ",
        "services": [*alive, *away],
        "queues": await caller.bus.depths(_queues(watch, caller.shared.settings)),
        "events": watch.events(),
    }
    return msgspec.convert(report, Services, from_attributes=True)


def _queues(watch: Watch, settings: Settings) -> list[Queue]:
    """List the queues: the chat's, those of other known services, and the dead letters."""
    others = sorted(watch.names().difference(registry.names(settings)))
    return [*registry.queues(settings), *map(Queue, others), DEAD_LETTERS]


async def _letters(caller: Caller, _: Empty) -> LetterList:
    """List dead letters."""
    async with caller.bus.dead_letters() as letters:
        return LetterList(letters.all[:MOST_LETTERS], len(letters.all) > MOST_LETTERS)


async def _decide_letter(caller: Caller, sent: LetterDecision) -> Empty:
    """Replay a dead letter, or discard it."""
    async with caller.bus.dead_letters() as letters:
        if not await letters.take(caller.path["id"], replay=sent.action == "replay"):
            raise NotAllowed(404, reasons.letter_unknown())
    return Empty()


CALLS = [
    Call("GET", "/api/manage/users", _users, AccountQuery, AccountList, "manager", cost=2),
    Call("POST", "/api/manage/users/{name}", _change_user, Changes, Empty, "manager", (404, 409)),
    Call("GET", "/api/manage/log", _account_log, AccountEventQuery, AccountLog, "manager", cost=2),
    Call("GET", "/api/manage/rooms", _rooms, RoomQuery, RoomList, "manager", cost=4),
    Call(
        "POST", "/api/manage/rooms/{room}/delete", _delete_room, needs="manager", refuses=(404, 409)
    ),
    Call(
        "POST",
        "/api/manage/rooms/{room}/members/{name}",
        _moderate,
        Moderation,
        Empty,
        "manager",
        (404, 409),
    ),
    Call("GET", "/api/manage/services", _services, Empty, Services, "manager"),
    Call("GET", "/api/manage/dead-letters", _letters, Empty, LetterList, "manager", cost=4),
    Call(
        "POST",
        "/api/manage/dead-letters/{id}",
        _decide_letter,
        LetterDecision,
        Empty,
        "manager",
        (404,),
        4,
    ),
]
