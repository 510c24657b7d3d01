"""Reports of who is here: what this gateway says, and what it shows of what all of them say."""

from contextlib import suppress

from nochat.bus import Bus
from nochat.errors import NochatError
from nochat.protocol.events import PresenceReported
from nochat.runtime.background import Background
from nochat.services.gateway.connections import Connections
from nochat.services.gateway.presence import Presence


class PresenceReports:
    """The users on one gateway, reported to all, and those on any of them, shown to everybody.

    Attributes:
        gateway: its name among the others.
    """

    def __init__(
        self, gateway: str, bus: Bus, connections: Connections, background: Background
    ) -> None:
        self.gateway = gateway
        self._bus, self._connections, self._background = bus, connections, background
        self._presence = Presence(gateway)

    @property
    def online(self) -> list[str]:
        """Everybody who is on any gateway."""
        return sorted(self._presence.users)

    def open_here(self, user: str) -> int:
        """Count a user's sockets on this gateway."""
        return self._presence.here[user]

    def came(self, user: str) -> None:
        """Note that a socket was opened; the user's first here is reported."""
        if self._presence.came(user):
            self._background.start(self.report())

    async def went(self, user: str) -> None:
        """Note that a socket was closed; the user's last here is reported."""
        if self._presence.went(user):
            await self.report()

    async def report(self) -> None:
        """Tell all gateways who is on this one."""
        report = PresenceReported(self.gateway, sorted(self._presence.here))
        with suppress(NochatError):  # the next report says it all again
            await self._bus.publish(report)

    async def reported(self, event: PresenceReported) -> None:
        """Take a gateway's report; show everybody what changed."""
        self._presence.reported(event.gateway, event.users)
        came, went = self._presence.changes()
        if came or went:
            await self._connections.to_all("presence", {"came": came, "went": went})
