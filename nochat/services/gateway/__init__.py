"""gateway: the users' sockets: their commands go to the bus, what happened comes back to them.

A client is acknowledged only when the broker has confirmed its command. Each gateway gets every
event from when it starts on; what a client missed comes from `activity`, by the client's own
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
    # Here, not above: the other services read this module too, but only for its queues.
    from nochat.services.gateway.sockets import Sockets

    sockets = Sockets(context.bus, context.settings)
    context.bus.tally.gauges["nochat_sockets"] = lambda: len(sockets.connections)
    async with sockets.running():
        yield sockets


@service.on_reconnect
def resync(sockets: "Sockets", _: Queue) -> None:
    """Let the clients ask for what they may have missed while the bus was away."""
    sockets.verification.resync()


service.on(*get_args(LogEntry), batch=True).method(lambda sockets: sockets.fan_out.spread)
service.on(RoomRead, UserNotified, CommandRejected, batch=True).method(
    lambda sockets: sockets.fan_out.tell
)
service.on(TypingStarted).method(lambda sockets: sockets.fan_out.show_typing)
service.on(SessionsEnded).method(lambda sockets: sockets.fan_out.end_sessions)
service.on(AccountChanged).method(lambda sockets: sockets.fan_out.account_changed)
service.on(PresenceReported).method(lambda sockets: sockets.presence.reported)
