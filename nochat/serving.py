"""HTTP: an ASGI application that uvicorn serves on a listening socket."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nochat.headers import Headed
from nochat.hosts import Hosts
from nochat.settings import Settings, SettingsError

App = Callable[..., Any]

STALLED = 15.0  # seconds that a client may leave a websocket's buffer full


class Impatient(WebSocketsSansIOProtocol):
    """A websocket that is cut off when its client has read nothing for `STALLED` seconds."""

    _cut: Callable[[], None] = staticmethod(lambda: None)

    def pause_writing(self) -> None:
        """Called by the transport: its buffer is full."""
        super().pause_writing()
        self._cut = self.loop.call_later(STALLED, self.transport.abort).cancel

    def resume_writing(self) -> None:
        """Called by the transport: there is room again."""
        self._cut()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport, at the end."""
        self._cut()
        super().connection_lost(exc)


class Proxied(ProxyHeadersMiddleware):
    """Puts what a believed proxy says of a request in its place; what others say goes.

    Beside the client's address and the scheme that is the host: whoever looks at `Host` after this
    sees what the browser used.
    """

    def __init__(self, app: App, proxies: str) -> None:
        _check_proxies(proxies)
        super().__init__(app, proxies)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "lifespan":
            scope["client"] = _plain(scope.get("client"))
            self._put_host(scope)
        await super().__call__(scope, receive, send)

    def _put_host(self, scope: Any) -> None:
        headers = scope["headers"]
        said = [value for name, value in headers if name == b"x-forwarded-host"]
        if not said:
            return
        kept = [(name, value) for name, value in headers if name != b"x-forwarded-host"]
        if (scope["client"] or [""])[0] in self.trusted_hosts:
            # Each proxy on the way adds one; the first is what the browser used.
            first = b",".join(said).partition(b",")[0].strip()
            kept = [(name, first if name == b"host" else value) for name, value in kept]
        scope["headers"] = kept


def _plain(client: Any) -> Any:
    """A client's address; one of IPv4 that came to a socket of IPv6 as it is written elsewhere."""
    if client and client[0].startswith("::ffff:"):
        return client[0].removeprefix("::ffff:"), client[1]
    return client


def _check_proxies(proxies: str) -> None:
    for each in proxies.split(",") if proxies.strip() not in ("", "*") else []:
        try:
            ipaddress.ip_network(each.strip())
        except ValueError as error:
            raise SettingsError(
                f"NOCHAT_PROXIES={proxies} can't be used: {error}; give addresses or networks, "
                "as 10.0.0.7,10.1.0.0/16, or * for all"
            ) from None


class Server(uvicorn.Server):
    """uvicorn, except that the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield


@asynccontextmanager
async def serving(app: App, listening: socket.socket, settings: Settings) -> AsyncIterator[None]:
    """Serve an application until the block ends."""
    config = uvicorn.Config(
        Headed(Hosts(Proxied(app, settings.proxies), settings)),
        proxy_headers=False,
        server_header=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws=Impatient,
        ws_max_size=settings.max_frame,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
