"""activity: everything that happened, in MongoDB; history, catch-up and trends from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

from nochat.local import embedded
from nochat.protocol.events import (
    AccountEvent,
    Event,
    LogEntry,
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserNotified,
)
from nochat.protocol.requests import (
    AccountEntries,
    AllRooms,
    FindMessages,
    FindRooms,
    Found,
    FoundMessages,
    FoundRooms,
    GetAccountEvents,
    GetAllRooms,
    GetHistory,
    GetRecords,
    GetRooms,
    GetRoomState,
    GetTraces,
    GetTrends,
    History,
    MessageKey,
    Records,
    Rooms,
    RoomState,
    SearchMessages,
    Traces,
    Trends,
)
from nochat.service import Context, Service

if TYPE_CHECKING:
    from nochat.stores.activity import ActivityStore

# Ordered: a request that waits behind events must find them stored.
service = Service("activity", ordered=True)


@service.resource
@asynccontextmanager
async def store(context: Context) -> AsyncIterator["ActivityStore"]:
    """The MongoDB that the settings name, or an embedded server as a child process."""
    # Here, not above: the other services read this module too, but only for its queues.
    from nochat.stores.activity import ActivityStore

    context.bus.tally.store = "MongoDB" if context.settings.activity_url else "nx-27017"
    async with (
        embedded.activity_url(context.settings) as url,
        ActivityStore.opened(url) as store,
    ):
        await store.check_complete()
        async with store.reindexing(), store.forgetting(context.settings.log_days):
            yield store


@service.on(
    *get_args(LogEntry),
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserNotified,
    *get_args(AccountEvent),
    many=True,
)
async def record(events: list[Event], context: Context) -> None:
    """Store what happened; acknowledged only after the write."""
    await context.resource.record(events)


@service.on(GetRoomState)
async def room_state(request: GetRoomState, context: Context) -> RoomState:
    """Say what a controller must know."""
    state: RoomState = await context.resource.room_state(request.room, request.recent)
    return state


@service.on(GetRooms)
async def rooms(request: GetRooms, context: Context) -> Rooms:
    """List a user's rooms."""
    found: Rooms = await context.resource.rooms(request.user, request.room)
    return found


@service.on(GetAllRooms)
async def all_rooms(request: GetAllRooms, context: Context) -> AllRooms:
    """List rooms for a manager."""
    found: AllRooms = await context.resource.all_rooms(request.text, request.after, request.limit)
    return found


@service.on(FindRooms)
async def find_rooms(request: FindRooms, context: Context) -> FoundRooms:
    """List public rooms."""
    found: FoundRooms = await context.resource.find_rooms(request)
    return found


@service.on(FindMessages)
async def find(request: FindMessages, context: Context) -> FoundMessages:
    """Say which messages the log has."""
    found: list[MessageKey] = await context.resource.find(request.wanted)
    return FoundMessages(found=found)


@service.on(SearchMessages)
async def search(request: SearchMessages, context: Context) -> Found:
    """Find a user's messages by their words."""
    found: Found = await context.resource.search(request)
    return found


@service.on(GetHistory)
async def history(request: GetHistory, context: Context) -> History:
    """Give a part of a room's log."""
    found: History = await context.resource.history(
        request.room, request.after, request.before, request.limit, request.user
    )
    return found


@service.on(GetTraces)
async def traces(request: GetTraces, context: Context) -> Traces:
    """Say in which rooms there is anything of a user."""
    return Traces(rooms=await context.resource.traces(request.user))


@service.on(GetRecords)
async def records(request: GetRecords, context: Context) -> Records:
    """Give a page of what is stored of one user."""
    found: Records = await context.resource.records(request)
    return found


@service.on(GetAccountEvents)
async def account_events(request: GetAccountEvents, context: Context) -> AccountEntries:
    """Say what became of accounts."""
    found: AccountEntries = await context.resource.account_events(request)
    return found


@service.on(GetTrends)
async def trends(request: GetTrends, context: Context) -> Trends:
    """Say what people do."""
    found: Trends = await context.resource.trends(request.since, request.limit)
    return found
