"""The address of the chat in a browser: one rule of host and origin for pages, REST and sockets.

A page may do something here if its origin is ours: the address that the browser itself used, which
a proxy passes on in `Host` or, where it is believed, in `X-Forwarded-Host`. Hosts are compared
without regard to capitals, to a dot at their end, and to a port that is the scheme's own.
"""

import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, NamedTuple, Self

from nochat.protocol.payloads import COOKIE
from nochat.settings import Settings, SettingsError

HOST_ONLY = "__Host-"  # browsers know what it means (RFC 6265bis, section 4.1.3.2)
PORTS = {"http": 80, "https": 443}  # those that an address need not name

_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::(\d{0,5}))?", re.ASCII)

Scope = MutableMapping[str, Any]


class HostPort(NamedTuple):
    """A host with a port, as in an address; without one, it is that of the address's scheme."""

    host: str
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read `HOST` or `HOST:PORT`; None if it is neither."""
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
    """The beginning of an address, as browsers tell it of a page.

    Attributes:
        scheme: `http` or `https`.
        host_port: the host, and the port if it is not the scheme's own.
    """

    scheme: str
    host_port: HostPort

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read `SCHEME://HOST[:PORT]`; None if it is anything else, as `null` is."""
        scheme, _, rest = text.strip().lower().partition("://")
        host_port = HostPort.read(rest)
        if not host_port or scheme not in PORTS:
            return None
        return cls(
            scheme, host_port._replace(port=None) if host_port.port == PORTS[scheme] else host_port
        )

    def fits(self, own: "Origin") -> bool:
        """Tell whether this is our own origin, as a request tells it.

        By http, it may have come by a proxy that does not say that browsers use https.
        """
        if self == own:
            return True
        return own.scheme == "http" and self == Origin.read(f"https://{own.host_port}")


def own(scope: Scope) -> Origin | None:
    """Return the origin that a request came to, as its sender wrote it; None if not an address."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return Origin.read(f"{scheme}://{host.decode('latin1')}")


def path_below(scope: Scope) -> str:
    """Return a request's path below the one that the chat is mounted under."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def further_origins(settings: Settings) -> frozenset[Origin]:
    """Return the origins whose pages may act here beside our own.

    Raises:
        SettingsError: one is no origin.
    """
    texts = filter(None, map(str.strip, settings.origins.split(",")))
    return frozenset(_needed("NOCHAT_ORIGINS", text) for text in texts)


def gateway_origin(settings: Settings) -> Origin | None:
    """Return where the page finds a gateway of its own; None: at its own address.

    Raises:
        SettingsError: the URL that is set is more, or less, than an origin.
    """
    return _needed("NOCHAT_GATEWAY_URL", settings.gateway_url) if settings.gateway_url else None


def _needed(setting: str, text: str) -> Origin:
    if origin := Origin.read(text.strip().removesuffix("/")):
        return origin
    raise SettingsError(
        f"{setting}: {text!r} is not an address such as https://chat.example or http://127.0.0.1:8000"
    )


def may_act(origin: str, scope: Scope, further: Iterable[Origin] = ()) -> bool:
    """Tell whether a page of that origin may act with its user's rights.

    Args:
        origin: what the browser says in the header `Origin`.
        scope: of the request.
        further: origins that may do so beside our own.
    """
    here, there = own(scope), Origin.read(origin)
    return there is not None and (there in further or (here is not None and there.fits(here)))


def cookie_name(page: Origin | None) -> str:
    """Return the name of the session's cookie for a page of that origin.

    Cookies know hosts but not ports: two chats at two ports of one host would take each other's.
    By https, browsers take it by its name from that host alone, and by https alone.
    """
    port = page.host_port.port if page else None
    name = COOKIE if port in (None, *PORTS.values()) else f"{COOKIE}_{port}"
    return HOST_ONLY + name if page and page.scheme == "https" else name


def cookie_names(scope: Scope, further: Iterable[Origin] = ()) -> list[str]:
    """Return the names that the session's cookie may have in a request, the likeliest first.

    Args:
        scope: of the request.
        further: origins of pages elsewhere, where this is a gateway of its own.
    """
    here = own(scope)
    said = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    if page := Origin.read(said.decode("latin1")):
        further = {page}.intersection(further)
    pages = [here, *further]
    if here and here.scheme == "http":  # by a proxy that does not say that browsers use https
        pages += [origin._replace(scheme="http") for origin in further]
    return [*dict.fromkeys(map(cookie_name, pages))]


def url(host: str, port: int) -> str:
    """Return the address of an HTTP server, with the brackets that IPv6 needs."""
    return f"http://{netloc(host, port)}"


def netloc(host: str, port: int) -> str:
    """Return a host with its port, with the brackets that IPv6 needs."""
    # RFC 6874: the percent sign before a network interface is itself encoded.
    return f"[{host.replace('%', '%25')}]:{port}" if ":" in host else f"{host}:{port}"
