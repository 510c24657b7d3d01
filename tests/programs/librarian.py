"""A bot in each public room: those that were there before it, and those that are made later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nochat.protocol.commands import JoinRoom, SendMessage
from nochat.protocol.events import RoomCreated, UserInvited, UserNotified
from nochat.protocol.requests import FindRooms
from nochat.service import Context, Service

NAME = "librarian"

service = Service(NAME)


@service.resource
@asynccontextmanager
async def join_all(context: Context) -> AsyncIterator[None]:
    """Join the rooms that there are, at each start; to be in a room already does no harm."""
    # First the queue: rooms that are made meanwhile wait in it.
    await context.bus.declare(*service.queues(context.settings))
    last, more = "", True
    while more:
        page = await context.bus.request(FindRooms(after=last))
        await context.bus.publish(*(JoinRoom(room.room, NAME) for room in page.rooms))
        last, more = page.rooms[-1].room if page.rooms else last, page.more
    yield


@service.on(RoomCreated)
async def join(event: RoomCreated) -> JoinRoom | None:
    """Join a room that was made just now."""
    return JoinRoom(event.room, NAME) if event.kind == "public" else None


@service.on(UserInvited)
async def come(event: UserInvited) -> JoinRoom | None:
    """Come into a private room when invited: there is no other way."""
    return JoinRoom(event.room, NAME) if event.invitee == NAME else None


@service.on(UserNotified)
async def answer(event: UserNotified) -> SendMessage | None:
    """Answer whoever mentions it."""
    if event.user != NAME:
        return None
    return SendMessage(event.room, NAME, client_id=event.id, text="Quiet, please.")
