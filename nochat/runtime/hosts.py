"""Allowed hosts of requests: a page of another site must not reach a chat of this machine.

A site can make its name resolve to 127.0.0.1 after its page is open (DNS rebinding): the page's
requests then arrive here, and the browser treats them as requests to the page's own site. They
still have its name in `Host`, which no page can change. So the `Host` of a request to a loopback
address must be an address, `localhost`, or a name in the settings.

The check uses `Host` as it was sent, before a proxy's value replaces it: a page may send any
`X-Forwarded-Host`.
"""

import ipaddress
from functools import lru_cache

from nochat.protocol.reasons import request_host
from nochat.runtime.origin import HostPort, further_origins, gateway_origin
from nochat.runtime.rate_limits import App, Receive, Scope, ThrottledLog, refuse
from nochat.settings import Settings

ANY = "*"


class HostMiddleware:
    """A middleware that accepts requests for our own hosts, and answers others with 421.

    Raises:
        SettingsError: NOCHAT_ORIGINS or NOCHAT_GATEWAY_URL is invalid.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        said = {name.strip().lower() for name in settings.hosts.split(",")} - {""}
        self._any, self._only = ANY in said, bool(said)
        host_ports = {origin.host_port for origin in further_origins(settings)}
        if gateway := gateway_origin(settings):
            host_ports.add(gateway.host_port)
        self._names = said | {host_port.host for host_port in host_ports}
        self._names |= {settings.host.lower(), settings.operation_host.lower()}
        self._throttled_log = ThrottledLog()

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """Serve an ASGI request."""
        other = next((host for host in _said(scope) if not self._is_ours(host, scope)), None)
        if other is None:
            return await self._app(scope, receive, send)
        self._throttled_log.say(
            "a request for an unknown host is refused; set NOCHAT_HOSTS to allow it", other[:100]
        )
        await refuse(scope, send, 421, request_host())

    def _is_ours(self, said: str, scope: Scope) -> bool:
        """Return whether a request may have that host.

        If the chat is open to the network, any name is accepted: a page with DNS rebinding gains
        nothing that its owner can't request directly.
        """
        if self._any or not (self._only or _came_to_loopback(scope)):
            return True
        if not (host_port := HostPort.read(said)):
            return False
        host = host_port.host
        is_local = host == "localhost" or host.endswith(".localhost")
        return is_local or host in self._names or _is_address(host)


def _said(scope: Scope) -> list[str]:
    """Return the values of a request's `Host` header."""
    if scope["type"] not in ("http", "websocket"):
        return []
    return [value.decode("latin1") for name, value in scope["headers"] if name == b"host"]


def _came_to_loopback(scope: Scope) -> bool:
    """Tell whether a request came to an address that only this machine has."""
    return _is_loopback(str((scope.get("server") or [""])[0]))


@lru_cache(maxsize=100)  # a machine has few addresses of its own
def _is_loopback(server: str) -> bool:
    arrived = server.removeprefix("::ffff:").partition("%")[0]
    return _is_address(arrived) and ipaddress.ip_address(arrived).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
