"""HTTP: uvicorn serves an ASGI application on a listening socket."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from nochat.runtime import descriptors
from nochat.runtime.connections import Config, HttpProtocol, IdleConnections, WebSocketProtocol
from nochat.runtime.headers import HeadersMiddleware
from nochat.runtime.hosts import HostMiddleware
from nochat.settings import Settings, SettingsError

App = Callable[..., Any]


class ProxyMiddleware(ProxyHeadersMiddleware):
    """A middleware that takes a request's client, scheme and host from trusted proxies alone.

    After it, `Host` is the host that the browser used.
    """

    def __init__(self, app: App, proxies: str) -> None:
        _check_proxies(proxies)
        super().__init__(app, proxies)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve an ASGI request."""
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
            # Each proxy on the way adds a value; the first is the browser's.
            first = b",".join(said).partition(b",")[0].strip()
            kept = [(name, first if name == b"host" else value) for name, value in kept]
        scope["headers"] = kept


def _plain(client: Any) -> Any:
    """Return a client's address, with an IPv4-mapped IPv6 address in IPv4 notation."""
    if client and client[0].startswith("::ffff:"):
        return client[0].removeprefix("::ffff:"), client[1]
    return client


def _check_proxies(proxies: str) -> None:
    for proxy in proxies.split(",") if proxies.strip() not in ("", "*") else []:
        try:
            ipaddress.ip_network(proxy.strip())
        except ValueError as error:
            raise SettingsError(
                f"NOCHAT_PROXIES={proxies} can't be used: {error}; give addresses or networks, "
                "such as 10.0.0.7,10.1.0.0/16, or * for all"
            ) from None


class Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Keep the existing signal handlers."""
        yield


def guarded(app: App, settings: Settings) -> App:
    """Wrap an application: it gets only requests for our hosts, as browsers sent them.

    Its answers get the security headers.
    """
    return HeadersMiddleware(HostMiddleware(ProxyMiddleware(app, settings.proxies), settings))


@asynccontextmanager
async def serving(app: App, listening: socket.socket, settings: Settings) -> AsyncIterator[None]:
    """Serve an application until the block ends."""
    config = Config(
        app,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=settings.max_frame,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
    bound = descriptors.share(settings.address_connections)
    config.waiting = IdleConnections(bound, descriptors.share(descriptors.ENOUGH, 2))
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
