"""Presence reports: those that this gateway publishes, and those that it shows to clients.

Changes are gathered: whoever many come or go at once, everybody is shown it in one packet. With
many sockets these packets are seldom, as each costs a write for every socket.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nochat.bus import Bus
from nochat.errors import NochatError
from nochat.protocol.events import PresenceReported
from nochat.runtime.background import Background
from nochat.services.gateway.connections import Connections
from nochat.services.gateway.presence import Presence

TICK = 0.1  # seconds in which changes are gathered, at least
MOST_WRITES = 1000  # to all sockets together, in a second in which somebody always comes or goes
LONGEST = 3.0  # seconds: whoever is on so large a gateway need not see the others sooner


class Gathered:
    """A wrapper that runs a coroutine function once for all calls in a tick.

    The first call after a calm runs it at once, so that a change on its own is shown without delay.

    Args:
        run: the function.
        background: where it runs.
        pause: gives the seconds of a tick.
    """

    def __init__(
        self,
        run: Callable[[], Awaitable[None]],
        background: Background,
        pause: Callable[[], float],
    ) -> None:
        self._run, self._background, self._pause = run, background, pause
        self._due = self._ticking = False

    def __call__(self) -> None:
        """Request a run."""
        self._due = True
        if not self._ticking:
            self._ticking = True
            self._background.start(self._tick())

    async def _tick(self) -> None:
        try:
            while self._due:
                self._due = False
                await self._run()
                await asyncio.sleep(self._pause())
        finally:
            self._ticking = False


class PresenceReports:
    """The presence of users: this gateway's for the others, and that of all for its clients.

    Attributes:
        gateway: the unique name of this gateway.
    """

    def __init__(
        self, gateway: str, bus: Bus, connections: Connections, background: Background
    ) -> None:
        self.gateway = gateway
        self._bus, self._connections = bus, connections
        self._presence = Presence(gateway)
        self._report = Gathered(self.report, background, self._tick)
        self._show = Gathered(self._show_changes, background, self._tick)

    @property
    def online(self) -> list[str]:
        """The users on any gateway."""
        return sorted(self._presence.users)

    def open_here(self, user: str) -> int:
        """Count a user's sockets on this gateway."""
        return self._presence.here[user]

    def came(self, user: str) -> None:
        """Count an opened socket; report the user if it is the first here."""
        if self._presence.came(user):
            self._report()

    def went(self, user: str) -> None:
        """Count a closed socket; report the user if it was the last here."""
        if self._presence.went(user):
            self._report()

    def _tick(self) -> float:
        return min(max(TICK, len(self._connections) / MOST_WRITES), LONGEST)

    async def report(self) -> None:
        """Publish the users on this gateway."""
        report = PresenceReported(self.gateway, sorted(self._presence.here))
        with suppress(NochatError):  # the next report is complete again
            await self._bus.publish(report)

    async def reported(self, event: PresenceReported) -> None:
        """Store a gateway's report, and show the changes to all clients."""
        self._presence.reported(event.gateway, event.users)
        self._show()

    async def _show_changes(self) -> None:
        came, went = self._presence.changes()
        if came or went:
            await self._connections.to_all("presence", {"came": came, "went": went})
