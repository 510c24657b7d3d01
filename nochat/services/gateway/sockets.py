"""The Socket.IO side of a gateway: it connects the parts.

Clients send the actions of `nochat.protocol.actions`, each acknowledged with its answer's fields or
`{"error": …, "code": …, "params": …, "retry": …}`. They receive: `welcome`, `room`, `created`,
`deleted`, `invited`, `entries`, `presence`, `typing`, `notified`, `read`, `rejected`, `role`,
`resync`, `signed-out`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nochat.bus import Bus
from nochat.protocol.actions import ACTIONS
from nochat.protocol.envelope import new_id
from nochat.runtime.action_limits import ActionLimits
from nochat.runtime.background import Background
from nochat.runtime.origin import further_origins
from nochat.services.gateway.arrivals import Arrivals
from nochat.services.gateway.connections import Connections
from nochat.services.gateway.current_replies import CurrentReplies
from nochat.services.gateway.fan_out import FanOut
from nochat.services.gateway.handshake import Cookies, Handshake
from nochat.services.gateway.presence import REPORT_EVERY
from nochat.services.gateway.presence_reports import PresenceReports
from nochat.services.gateway.receiver import Receiver
from nochat.services.gateway.sessions_in_use import SessionsInUse
from nochat.services.gateway.socket_io import socket_server
from nochat.services.gateway.verification import Verification
from nochat.settings import Settings

log = logging.getLogger(__name__)


class Sockets:
    """The sockets of one gateway.

    Attributes:
        app: the ASGI application.
        connections: the open sockets.
        replies: replies of other services, never older than the events.
        fan_out: sends events from the bus to them.
        presence: the users on this and other gateways.
        verification: checks again which rooms they may see.
    """

    fan_out: FanOut
    presence: PresenceReports

    def __init__(self, bus: Bus, settings: Settings) -> None:
        cookies = Cookies(further_origins(settings))
        self._io = socket_server(settings, cookies)
        self.app = self._io.app
        self._background = background = Background()
        self.replies = replies = CurrentReplies(bus)
        self.connections = connections = Connections(self._io)
        self.fan_out = FanOut(connections, replies, background)
        name = f"gateway-{new_id()[:8]}"
        self.presence = presence = PresenceReports(name, bus, connections, background)
        in_use = SessionsInUse(bus, settings)
        self.verification = Verification(connections, replies, in_use, background)
        handshake = Handshake(replies, presence.open_here, settings.user_sockets)
        self._arrivals = Arrivals(
            bus, connections, replies, presence, cookies, handshake, background
        )
        self._io.on("connect", self._arrivals.connect)
        self._io.on("disconnect", self._arrivals.disconnect)
        receiver = Receiver(bus, connections, ActionLimits(settings))
        for name, action in ACTIONS.items():
            self._io.on(name, receiver.handler(action))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report presence until the block ends; then close every socket."""
        self._background.start(self._report())
        try:
            yield
        finally:
            self._background.cancel()
            await self._arrivals.end_all("the gateway stopped")
            await self.presence.report()
            self._background.cancel()
            await self._io.shutdown()

    async def _report(self) -> None:
        while True:
            try:
                await self.presence.report()
                await self.verification.expire()
            except Exception:  # the next report may succeed
                log.exception("the report of presence failed")
            await asyncio.sleep(REPORT_EVERY)
