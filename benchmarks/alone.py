"""A gateway without broker and stores: the chat's own sockets, on a bus in the same process.

Stand-ins of the other services answer at once: a session's token is the name of the user and of
the user's only room, and a message only gets a position.
"""

import time
from collections import Counter
from unittest import mock

import uvloop

from nochat.protocol.commands import SendMessage
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import (
    GetHistory,
    GetRooms,
    History,
    Rooms,
    RoomSummary,
    Session,
    WhoIs,
)
from nochat.runtime import bootstrap, logs, registry
from nochat.service import Service
from nochat.services import gateway
from nochat.settings import load

users = Service("users")
activity = Service("activity", single_active_consumer=True)
controller = Service("controller")

_positions: Counter[str] = Counter()  # of the last message, by room


@users.on(WhoIs)
async def who_is(request: WhoIs) -> Session:
    """Authenticate any token as its user's name."""
    return Session(user=request.token, expires=time.time() + 3600)


@activity.on(GetRooms)
async def rooms(request: GetRooms) -> Rooms:
    """Return a user's only room, which has the user's name."""
    room = request.user
    summary = RoomSummary(
        room=room,
        title=room,
        kind="public",
        owner="",
        members=[room],
        muted=[],
        banned=[],
        invited=False,
        position=_positions[room],
    )
    return Rooms(rooms=[summary])


@activity.on(GetHistory)
async def history(request: GetHistory) -> History:
    """Return no entries: nothing is stored."""
    return History(room=request.room)


@controller.on(SendMessage, batch=True)
async def decide(commands: list[SendMessage]) -> list[MessageSent]:
    """Accept every message."""
    return [
        MessageSent(
            command.room, _next(command.room), command.sender, command.client_id, command.text
        )
        for command in commands
    ]


def _next(room: str) -> int:
    _positions[room] += 1
    return _positions[room]


def main() -> None:
    """Serve until SIGTERM."""
    settings = load()
    logs.configure(settings.log_level)

    def ready(url: str) -> None:
        print(f"gateway: {url}", flush=True)

    # Without the queues of services that do not run here, which would fill up.
    with mock.patch.object(registry, "services", return_value=[]):
        around = [users, activity, controller]
        uvloop.run(bootstrap.run([*around, gateway.service], settings, ready))


if __name__ == "__main__":
    main()
