"""controller: gets every command through RabbitMQ, decides, and publishes what happened.

The rooms are spread over queues with one active consumer each, so one controller decides in a room
at a time, and another takes over when it dies. What a controller knows of a room it asks from
`activity`, with a request that waits behind the events its predecessor published.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nochat.events import (
    CloseSession,
    Command,
    CreateRoom,
    CreateUser,
    Envelope,
    Event,
    GetRoomState,
    JoinRoom,
    LeaveRoom,
    LogIn,
    LogInFailed,
    LogOut,
    MarkRead,
    OpenSession,
    RegisterUser,
    RoomState,
    SendMessage,
    Session,
    UserLoggedIn,
    UserLoggedOut,
    UserRegistered,
    caused_by,
)
from nochat.room import Room
from nochat.service import Context, Service

MOST_ROOMS = 10_000  # rooms that a controller remembers

service = Service("controller")


@service.resource
@asynccontextmanager
async def rooms(context: Context) -> AsyncIterator[dict[str, Room]]:
    """The rooms this controller knows, by id."""
    yield {}


@service.fresh
def forget(rooms: dict[str, Room]) -> None:
    """Another controller may have decided meanwhile: ask again."""
    rooms.clear()


@service.on(CreateRoom, JoinRoom, LeaveRoom, SendMessage, MarkRead, many=True)
async def decide(commands: list[Command], context: Context) -> list[Event]:
    """Decide in the order of the queue, and publish what happened in that order."""
    await _learn({command.room for command in commands}, context)
    happened: list[Event] = []
    for command in commands:
        with caused_by(command.correlation_id):
            happened += context.resource[command.room].decide(command)
    return happened


async def _learn(wanted: set[str], context: Context) -> None:
    rooms: dict[str, Room] = context.resource
    if len(rooms) + len(wanted) > MOST_ROOMS:
        rooms.clear()
    for room in wanted - rooms.keys():
        state: RoomState = await context.bus.request(GetRoomState(room=room))
        rooms[room] = Room.of(state)


@service.on(RegisterUser)
async def register(request: RegisterUser, context: Context) -> list[Envelope]:
    """Make the account and open its first session."""
    await context.bus.request(CreateUser(user=request.user, password=request.password))
    session = await _open_session(request, context)
    return [UserRegistered(user=request.user), UserLoggedIn(user=request.user), session]


@service.on(LogIn)
async def log_in(request: LogIn, context: Context) -> list[Envelope]:
    """Open a session, or say in the log that somebody could not."""
    session = await _open_session(request, context)
    if not session.user:
        return [LogInFailed(user=request.user), session]
    return [UserLoggedIn(user=session.user), session]


@service.on(LogOut)
async def log_out(request: LogOut, context: Context) -> list[Envelope]:
    """Close a session."""
    session: Session = await context.bus.request(CloseSession(token=request.token))
    return [*([UserLoggedOut(user=session.user)] if session.user else []), session]


async def _open_session(request: RegisterUser | LogIn, context: Context) -> Session:
    asked = OpenSession(user=request.user, password=request.password)
    session: Session = await context.bus.request(asked)
    return session
