"""controller: decides every command, and publishes the resulting events.

The rooms are spread over queues with a single active consumer each, so one controller at a time
decides in a room. Controllers divide the queues, and one takes over when another dies. It requests
a room's state from `activity`; the request waits behind the events that its predecessor published.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from nochat.bus import Queue
from nochat.bus.routing import route
from nochat.domain import decisions
from nochat.domain.room import Room
from nochat.protocol import reasons
from nochat.protocol.commands import (
    Command,
    CreateRoom,
    DeleteMessage,
    DeleteRoom,
    EditMessage,
    EraseUser,
    InviteUser,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    ModerateMember,
    OpenDirect,
    React,
    SendMessage,
)
from nochat.protocol.envelope import Envelope, caused_by
from nochat.protocol.events import (
    AccountChanged,
    AccountDeleted,
    Event,
    LogInFailed,
    MessageSent,
    PasswordChanged,
    SessionsEnded,
    TokenMade,
    TokenRevoked,
    UserLoggedIn,
    UserLoggedOut,
    UserRegistered,
)
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import (
    ChangeAccount,
    ChangePassword,
    CloseSession,
    CloseSessions,
    CreateToken,
    CreateUser,
    DeleteAccount,
    EndSessions,
    FindMessages,
    GetHistory,
    GetRoomState,
    LogIn,
    LogOut,
    MakeToken,
    MessageKey,
    OpenSession,
    RegisterUser,
    RememberedMessage,
    RemoveAccount,
    RemoveToken,
    RevokeToken,
    SetAccount,
    SetPassword,
)
from nochat.service import Context, Service
from nochat.services.controller.failed_log_ins import FailedLogIns

MOST_ROOMS = 10_000  # rooms in a controller's memory, for each queue
MOST_ASKED = 500  # messages per request to the log
MOST_LEARNT = 200  # rooms per request

service = Service["ControllerState"]("controller")


# The rooms in a controller's memory, by queue and id: one queue's consumer may have to forget its
# rooms while another's still decides in its own.
Rooms = dict[str, dict[str, Room]]


class ControllerState(NamedTuple):
    """The memory of a controller: the rooms, and the number of failed log-ins."""

    rooms: Rooms
    failed_log_ins: FailedLogIns


@service.resource
@asynccontextmanager
async def known(context: Context) -> AsyncIterator[ControllerState]:
    """Start without any room in memory."""
    yield ControllerState(
        {queue.name: {} for queue in service.queues(context.settings)}, FailedLogIns()
    )


@service.on_reconnect
def forget(known: ControllerState, queue: Queue) -> None:
    """Forget the rooms of a queue: another controller may have decided meanwhile."""
    known.rooms[queue.name].clear()


@service.on(
    CreateRoom,
    DeleteRoom,
    OpenDirect,
    JoinRoom,
    LeaveRoom,
    InviteUser,
    ModerateMember,
    EraseUser,
    SendMessage,
    EditMessage,
    DeleteMessage,
    React,
    MarkRead,
    batch=True,
)
async def decide(commands: list[Command], context: Context[ControllerState]) -> list[Event]:
    """Decide commands in the order of the queue, and publish their events in that order."""
    rooms = context.resource.rooms[route(commands[0], context.settings.shards).key]
    await _learn(rooms, {command.room for command in commands}, context)
    await _recall(rooms, commands, context)
    happened: list[Event] = []
    for command in commands:
        room = rooms[command.room]
        if position := decisions.unknown(room, command):
            room.learn(await _said(room.id, position, context))
        with caused_by(command.correlation_id):
            happened += decisions.execute(room, command)
    return happened


async def _learn(
    rooms: dict[str, Room], wanted: set[str], context: Context[ControllerState]
) -> None:
    if len(rooms) + len(wanted) > MOST_ROOMS:
        rooms.clear()
    # One request for all unknown rooms: a controller that takes over knows none at first.
    while unknown := sorted(wanted - rooms.keys())[:MOST_LEARNT]:
        state = await context.bus.request(GetRoomState(room=unknown[0], others=unknown[1:]))
        rooms[unknown[0]] = Room.of(state)
        rooms |= {known.room.room: Room.of(known) for known in state.others}


async def _recall(
    rooms: dict[str, Room], commands: list[Command], context: Context[ControllerState]
) -> None:
    """Look up in the log messages that may be retries of forgotten ones."""
    doubtful = [
        MessageKey(command.room, command.sender, command.client_id)
        for command in commands
        if isinstance(command, SendMessage) and decisions.may_be_old(rooms[command.room], command)
    ]
    for start in range(0, len(doubtful), MOST_ASKED):
        asked = FindMessages(wanted=doubtful[start : start + MOST_ASKED])
        answer = await context.bus.request(asked)
        for room, sender, client_id in answer.found:
            rooms[room].recall(sender, client_id)


async def _said(room: str, position: int, context: Context[ControllerState]) -> RememberedMessage:
    """Look up an old message; it has no sender if there is no message at that position."""
    asked = GetHistory(user=None, room=room, after=position - 1, limit=1)
    answer = await context.bus.request(asked)
    match answer.entries:
        case [MessageSent() as message] if message.position == position:
            return RememberedMessage(
                position,
                message.sender,
                message.client_id,
                message.deleted,
                message.at,
                message.reactions,
            )
        case _:
            return RememberedMessage(position, "", "")


@service.on(RegisterUser)
async def register(request: RegisterUser, context: Context[ControllerState]) -> list[Envelope]:
    """Create the account and open its first session."""
    asked = CreateUser(user=request.user, password=request.password, browser=request.browser)
    session = await context.bus.request(asked)
    return [UserRegistered(user=request.user), UserLoggedIn(user=request.user), session]


@service.on(LogIn)
async def log_in(request: LogIn, context: Context[ControllerState]) -> list[Envelope]:
    """Open a session, or record a failed log-in."""
    asked = OpenSession(user=request.user, password=request.password, browser=request.browser)
    session = await context.bus.request(asked)
    if not session.user:
        unsaid = context.resource.failed_log_ins.note(session.account)
        refused = [] if unsaid is None else [LogInFailed(user=session.account, unsaid=unsaid)]
        return [*refused, session]
    return [UserLoggedIn(user=session.user), session]


@service.on(LogOut)
async def log_out(request: LogOut, context: Context[ControllerState]) -> list[Envelope]:
    """Close a session."""
    session = await context.bus.request(CloseSession(token=request.token))
    if not session.user:
        return [session]
    return [
        UserLoggedOut(user=session.user),
        *_ended(session.user, session.ended, reasons.session_over()),
        session,
    ]


@service.on(EndSessions)
async def end_sessions(request: EndSessions, context: Context[ControllerState]) -> list[Envelope]:
    """End one session of a user, or all others."""
    asked = CloseSessions(token=request.token, session=request.session)
    session = await context.bus.request(asked)
    ended = _ended(session.user, session.ended, reasons.session_ended_elsewhere())
    out = [UserLoggedOut(user=session.user)] if ended else []
    return [*out, *ended, session]


@service.on(MakeToken)
async def make_token(request: MakeToken, context: Context[ControllerState]) -> list[Envelope]:
    """Create a token for a user's own program."""
    asked = CreateToken(
        token=request.token, password=request.password, name=request.name, days=request.days
    )
    tokens = await context.bus.request(asked)
    return [TokenMade(user=tokens.user, name=request.name), tokens]


@service.on(RevokeToken)
async def revoke_token(request: RevokeToken, context: Context[ControllerState]) -> list[Envelope]:
    """Revoke a token."""
    asked = RemoveToken(token=request.token, which=request.which)
    tokens = await context.bus.request(asked)
    return [TokenRevoked(user=tokens.user, name=tokens.tokens[0].name), tokens]


@service.on(DeleteAccount)
async def delete_account(
    request: DeleteAccount, context: Context[ControllerState]
) -> list[Envelope]:
    """Delete the account, end its sessions at once, and start the erasure of its name."""
    asked = RemoveAccount(token=request.token, password=request.password)
    removal = await context.bus.request(asked)
    deleted = AccountDeleted(user=removal.user, deleted_as=removal.deleted_as)
    return [*_ended(removal.user, removal.ended, reasons.account_deleted()), deleted, removal]


@service.on(ChangePassword)
async def change_password(
    request: ChangePassword, context: Context[ControllerState]
) -> list[Envelope]:
    """Store a new password, and end the user's other sessions."""
    asked = SetPassword(
        token=request.token, password=request.password, new_password=request.new_password
    )
    session = await context.bus.request(asked)
    ended = _ended(session.user, session.ended, reasons.session_password_changed())
    return [PasswordChanged(user=session.user), *ended, session]


@service.on(ChangeAccount)
async def change_account(
    request: ChangeAccount, context: Context[ControllerState]
) -> list[Envelope]:
    """Store a role or a ban; banned users are disconnected at once."""
    asked = SetAccount(user=request.user, role=request.role, banned=request.banned)
    accounts = await context.bus.request(asked)
    (account,) = accounts.accounts
    changed = AccountChanged(
        user=account.name, by=request.by, role=account.role, banned=account.banned
    )
    return [changed, *_ended(account.name, accounts.ended, reasons.account_banned()), accounts]


def _ended(user: str, sessions: list[str], reason: Reason) -> list[Event]:
    return [SessionsEnded(user=user, sessions=sessions, **reason.fields)] if sessions else []
