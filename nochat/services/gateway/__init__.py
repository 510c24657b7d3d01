"""gateway: holds the users' sockets, publishes their commands, and sends them events.

A client's command is acknowledged only after the broker has confirmed it. Each gateway gets every
event published while it runs; events that a client missed come from `activity`, by the client's
position in each room.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

from nochat.bus import Queue
from nochat.protocol.events import (
    AccountChanged,
    CommandRejected,
    LogEntry,
    PresenceReported,
    RoomRead,
    SessionsEnded,
    TypingStarted,
    UserNotified,
)
from nochat.service import Context, Service

if TYPE_CHECKING:
    from nochat.services.gateway.sockets import Sockets

service = Service["Sockets"]("gateway", broadcast=True)


@service.resource
@asynccontextmanager
async def open_sockets(context: Context) -> AsyncIterator["Sockets"]:
    """Open this gateway's sockets; the HTTP server serves their `app`."""
    # Imported here, not above: other services import this module only for its queues.
    from nochat.services.gateway.sockets import Sockets

    sockets = Sockets(context.bus, context.settings)
    context.bus.tally.gauges["nochat_sockets"] = lambda: len(sockets.connections)
    async with sockets.running():
        yield sockets


@service.on_reconnect
def resync(sockets: "Sockets", _: Queue) -> None:
    """Tell the clients to request events that they may have missed while the bus was down."""
    sockets.verification.resync()


service.on(*get_args(LogEntry), batch=True).method(lambda sockets: sockets.fan_out.spread)
service.on(RoomRead, UserNotified, CommandRejected, batch=True).method(
    lambda sockets: sockets.fan_out.tell
)
service.on(TypingStarted).method(lambda sockets: sockets.fan_out.show_typing)
service.on(SessionsEnded).method(lambda sockets: sockets.fan_out.end_sessions)
service.on(AccountChanged).method(lambda sockets: sockets.fan_out.account_changed)
service.on(PresenceReported).method(lambda sockets: sockets.presence.reported)
