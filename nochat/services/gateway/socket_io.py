"""The Socket.IO server of a gateway: the chat's own engine, or python-socketio by a setting."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from nochat import engine
from nochat.engine.session import EngineSession
from nochat.runtime import connections, descriptors
from nochat.runtime.rate_limits import App, ConcurrencyLimit, Limit
from nochat.services.gateway import bounds
from nochat.services.gateway.bounds import Bounds
from nochat.services.gateway.handshake import Cookies
from nochat.settings import Settings

BURST = 5.0  # seconds worth of packets that may come at once
PACKETS = 5  # packets for each action of the rate limit; clients that send more are disconnected


class SocketServer(Protocol):
    """The methods of a Socket.IO server that a gateway uses."""

    @property
    def app(self) -> App:
        """Return the ASGI application."""

    def on(self, event: str, handler: Callable[..., Any]) -> Any:
        """Register the handler of an event."""

    async def emit(self, event: str, data: Any = None, *, room: str | None = None) -> None:
        """Send an event to a room, to a socket by its id, or to everybody."""

    def enter(self, sid: str, room: str) -> None:
        """Add a socket to a room."""

    def leave(self, sid: str, room: str) -> None:
        """Remove a socket from a room."""

    def members(self, room: str) -> Iterable[str]:
        """List the sockets in a room."""

    def charge(self, sid: str, user: str) -> None:
        """Count a socket's packets for a user from now on."""

    async def disconnect(self, sid: str) -> None:
        """Disconnect a socket."""

    async def shutdown(self) -> None:
        """Close every connection."""


def socket_server(settings: Settings, cookies: Cookies) -> SocketServer:
    """Return the server that the settings name."""
    packets = Limit(PACKETS * settings.user_rate, BURST)
    concurrency = ConcurrencyLimit(descriptors.share(settings.address_connections))
    if settings.engine == "nochat":
        guard = Bounds(packets, concurrency, cookies.token, cookies.may_connect)
        return OwnServer(
            guard,
            max_payload=settings.max_frame,
            stall_timeout=connections.STALLED,
            connect_timeout=bounds.ENTERING,
            most_backlog=bounds.MOST_BACKLOG,
            most_at_once=bounds.MOST_AT_ONCE,
        )
    from nochat.services.gateway.stock import Server

    return Server(
        async_mode="asgi",
        cors_allowed_origins=cookies.may_connect,
        max_http_buffer_size=settings.max_frame,
        packets=packets,
        session=cookies.token,
        concurrency=concurrency,
        logger=logging.getLogger("socketio.quiet"),
        engineio_logger=logging.getLogger("engineio.quiet"),
    )


class OwnServer(engine.Server):
    """The chat's own engine."""

    def __init__(self, guard: Bounds, **options: Any) -> None:
        super().__init__(guard, **options)
        root = self.namespaces["/"]
        self.enter, self.leave = root.enter, root.leave

    @property
    def app(self) -> App:
        """Return the ASGI application."""
        return self

    def members(self, room: str) -> Iterable[str]:
        """List the sockets in a room."""
        return self.namespaces["/"].rooms.get(room, ())

    def charge(self, sid: str, user: str) -> None:
        """Count a socket's packets for a user from now on."""
        if socket := self.namespaces["/"].sockets.get(sid):
            session: EngineSession = socket.session
            session.info.payer = f"user {user}"
