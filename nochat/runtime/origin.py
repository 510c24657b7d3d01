"""The chat's origin in a browser: one rule for pages, REST calls and sockets.

A page may act here if its origin is ours: the address that the browser itself used, which a proxy
passes on in `Host` or, if it is trusted, in `X-Forwarded-Host`. The comparison of hosts ignores
capitals, a dot at the end, and the scheme's default port.
"""

import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, NamedTuple, Self

from nochat.protocol.payloads import COOKIE
from nochat.settings import Settings, SettingsError

HOST_ONLY = "__Host-"  # a prefix with a meaning for browsers (RFC 6265bis, section 4.1.3.2)
PORTS = {"http": 80, "https": 443}  # default ports

_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::(\d{0,5}))?", re.ASCII)

Scope = MutableMapping[str, Any]


class HostPort(NamedTuple):
    """A host with a port; without one, the scheme's default port applies."""

    host: str
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Parse `HOST` or `HOST:PORT`; return None if it is neither."""
        match = _PLACE.fullmatch(text.strip().lower())
        if not match:
            return None
        host, port = match[1], int(match[2] or 0)
        if host.startswith("["):
            try:
                host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
            except ValueError:
                return None
        return cls(host, port or None) if port <= 65535 else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Origin(NamedTuple):
    """An origin, as in the browsers' header `Origin`.

    Attributes:
        scheme: `http` or `https`.
        host_port: the host, and the port if it is not the scheme's default.
    """

    scheme: str
    host_port: HostPort

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Parse `SCHEME://HOST[:PORT]`; return None for anything else, such as `null`."""
        scheme, _, rest = text.strip().lower().partition("://")
        host_port = HostPort.read(rest)
        if not host_port or scheme not in PORTS:
            return None
        return cls(
            scheme, host_port._replace(port=None) if host_port.port == PORTS[scheme] else host_port
        )

    def fits(self, own: "Origin") -> bool:
        """Return whether this is our own origin.

        A request by http may have come through a proxy that does not report the browser's https.
        """
        if self == own:
            return True
        return own.scheme == "http" and self == Origin.read(f"https://{own.host_port}")


def own(scope: Scope) -> Origin | None:
    """Return the origin that a request was sent to, or None if its `Host` is invalid."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return Origin.read(f"{scheme}://{host.decode('latin1')}")


def path_below(scope: Scope) -> str:
    """Return a request's path below the chat's mount point."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def further_origins(settings: Settings) -> frozenset[Origin]:
    """Return the further origins whose pages may act here, from the settings.

    Raises:
        SettingsError: an entry is not an origin.
    """
    texts = filter(None, map(str.strip, settings.origins.split(",")))
    return frozenset(_needed("NOCHAT_ORIGINS", text) for text in texts)


def gateway_origin(settings: Settings) -> Origin | None:
    """Return the origin of a separate gateway, or None if it has the page's own.

    Raises:
        SettingsError: the URL in the settings is not an origin.
    """
    return _needed("NOCHAT_GATEWAY_URL", settings.gateway_url) if settings.gateway_url else None


def _needed(setting: str, text: str) -> Origin:
    if origin := Origin.read(text.strip().removesuffix("/")):
        return origin
    raise SettingsError(
        f"{setting}: {text!r} is not an address such as https://chat.example or http://127.0.0.1:8000"
    )


def may_act(origin: str, scope: Scope, further: Iterable[Origin] = ()) -> bool:
    """Return whether a page of an origin may act with its user's rights.

    Args:
        origin: the browser's header `Origin`.
        scope: the request's ASGI scope.
        further: allowed origins beside our own.
    """
    here, there = own(scope), Origin.read(origin)
    return there is not None and (there in further or (here is not None and there.fits(here)))


def cookie_name(page: Origin | None) -> str:
    """Return the name of the session's cookie for a page of an origin.

    Cookies are shared by all ports of a host, so the name has the port: two chats on one host do
    not use each other's. By https, its prefix makes browsers accept it from that host alone.
    """
    port = page.host_port.port if page else None
    name = COOKIE if port in (None, *PORTS.values()) else f"{COOKIE}_{port}"
    return HOST_ONLY + name if page and page.scheme == "https" else name


def cookie_names(scope: Scope, further: Iterable[Origin] = ()) -> list[str]:
    """Return the possible names of the session's cookie in a request, the most likely first.

    Args:
        scope: the request's ASGI scope.
        further: origins of pages elsewhere, for a separate gateway.
    """
    here = own(scope)
    said = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    if page := Origin.read(said.decode("latin1")):
        further = {page}.intersection(further)
    pages = [here, *further]
    if here and here.scheme == "http":  # a proxy may not report the browser's https
        pages += [origin._replace(scheme="http") for origin in further]
    return [*dict.fromkeys(map(cookie_name, pages))]


def url(host: str, port: int) -> str:
    """Return the URL of an HTTP server, with the brackets of IPv6 addresses."""
    return f"http://{netloc(host, port)}"


def netloc(host: str, port: int) -> str:
    """Return a host with its port, with the brackets of IPv6 addresses."""
    # RFC 6874: the percent sign before a network interface is itself encoded.
    return f"[{host.replace('%', '%25')}]:{port}" if ":" in host else f"{host}:{port}"
