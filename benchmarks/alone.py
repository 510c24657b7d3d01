"""A gateway without broker and stores: the chat's own sockets, on a bus in the same process.

What stands around the gateway answers at once: a session's token is the user's name and the name
of the user's only room, and a message gets its position and nothing else.
"""

import asyncio
import itertools
import signal
from collections import defaultdict
from collections.abc import Iterator

import uvloop

from nochat import bootstrap, logs
from nochat.bus import connect
from nochat.events import (
    GetRooms,
    MessageSent,
    Rooms,
    RoomSummary,
    SendMessage,
    Session,
    WhoIs,
)
from nochat.service import Service
from nochat.services import gateway
from nochat.settings import Settings, load

users = Service("users")
activity = Service("activity", ordered=True)
controller = Service("controller")

_positions: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))


@users.on(WhoIs)
async def who_is(request: WhoIs) -> Session:
    """A token says itself whose it is."""
    return Session(user=request.token)


@activity.on(GetRooms)
async def rooms(request: GetRooms) -> Rooms:
    """A user's room has the user's name."""
    room, members = request.user, [request.user]
    return Rooms(rooms=[RoomSummary(room=room, title=room, members=members, position=0)])


@controller.on(SendMessage, many=True)
async def decide(commands: list[SendMessage]) -> list[MessageSent]:
    """Everybody may write."""
    return [
        MessageSent(each.room, next(_positions[each.room]), each.sender, each.client_id, each.text)
        for each in commands
    ]


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with (
        connect(settings.bus_url, shards=settings.shards) as bus,
        users.running(bus, settings, "alone"),
        activity.running(bus, settings, "alone"),
        controller.running(bus, settings, "alone"),
        gateway.service.running(bus, settings, "alone") as context,
        # The same HTTP server, with the same configuration, as in `nochat run gateway`.
        bootstrap._served({"gateway": context.resource.app}, settings) as url,
    ):
        print(f"gateway: {url}", flush=True)
        await ended.wait()


if __name__ == "__main__":
    logs.configure("warning")
    uvloop.run(serve(load()))
