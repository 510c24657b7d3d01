"""activity: stores all events in MongoDB, and serves history, catch-up and trends from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

from nochat.protocol.events import (
    AccountEvent,
    LogEntry,
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserNotified,
)
from nochat.protocol.requests import (
    AllRooms,
    FindMessages,
    FindRooms,
    FoundMessages,
    GetAccountEvents,
    GetAllRooms,
    GetHistory,
    GetRecords,
    GetRooms,
    GetRoomState,
    GetTraces,
    GetTrends,
    History,
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
service = Service["ActivityStore"]("activity", single_active_consumer=True)


@service.resource
@asynccontextmanager
async def store(context: Context) -> AsyncIterator["ActivityStore"]:
    """Open the MongoDB that the settings name, or an embedded server as a child process."""
    # Imported here, not above: other services import this module only for its queues.
    from nochat.local import embedded

    context.bus.tally.store = "MongoDB" if context.settings.activity_url else "nx-27017"
    async with embedded.activity_server(context.settings) as ready:
        from nochat.stores.activity import ActivityStore  # takes a while: the server starts

        async with ActivityStore.opened(await ready()) as store:
            await store.check_complete()
            async with store.reindexing(), store.forgetting(context.settings.log_days):
                yield store


# Acknowledged only after the write.
service.on(
    *get_args(LogEntry),
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserNotified,
    *get_args(AccountEvent),
    batch=True,
).method(lambda store: store.record)
service.on(FindRooms).method(lambda store: store.find_rooms)
service.on(SearchMessages).method(lambda store: store.search)
service.on(GetRecords).method(lambda store: store.records)
service.on(GetAccountEvents).method(lambda store: store.account_events)


@service.on(GetRoomState)
async def room_state(request: GetRoomState, context: Context["ActivityStore"]) -> RoomState:
    """Return the state of a room for its controller, or of several."""
    store = context.resource
    if not request.others:
        return await store.room_state(request.room, request.recent)
    first, *others = await store.room_states([request.room, *request.others], request.recent)
    return RoomState(room=first.room, recent=first.recent, since=first.since, others=others)


@service.on(GetRooms)
async def rooms(request: GetRooms, context: Context["ActivityStore"]) -> Rooms:
    """List a user's rooms."""
    return await context.resource.rooms(request.user, request.room)


@service.on(GetAllRooms)
async def all_rooms(request: GetAllRooms, context: Context["ActivityStore"]) -> AllRooms:
    """List rooms for a manager."""
    return await context.resource.all_rooms(request.text, request.after, request.limit)


@service.on(FindMessages)
async def find(request: FindMessages, context: Context["ActivityStore"]) -> FoundMessages:
    """Return the messages that are in the log."""
    return FoundMessages(found=await context.resource.find(request.wanted))


@service.on(GetHistory)
async def history(request: GetHistory, context: Context["ActivityStore"]) -> History:
    """Return a part of a room's log."""
    return await context.resource.history(
        request.room, request.after, request.before, request.limit, request.user
    )


@service.on(GetTraces)
async def traces(request: GetTraces, context: Context["ActivityStore"]) -> Traces:
    """Return the rooms with any trace of a user."""
    return Traces(rooms=await context.resource.traces(request.user))


@service.on(GetTrends)
async def trends(request: GetTrends, context: Context["ActivityStore"]) -> Trends:
    """Return statistics of public rooms."""
    return await context.resource.trends(request.since, request.limit)
