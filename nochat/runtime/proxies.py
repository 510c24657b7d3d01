"""Proxies of the environment: for other computers, and never for this one."""

import importlib.util
import ipaddress
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from nochat.errors import NochatError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NAMES = ("no_proxy", "NO_PROXY")  # programs read one or the other


def exempt(environ: MutableMapping[str, str], *hosts: str) -> None:
    """Exempt loopback, and further hosts, from the proxies of an environment.

    Without proxies, nothing changes: Python would otherwise ignore the settings of macOS.
    """
    if not _named(environ):
        return
    said = (host.strip() for name in NAMES for host in environ.get(name, "").split(","))
    exempted = dict.fromkeys([*filter(None, said), *LOOPBACK, *hosts])
    for name in NAMES:
        environ[name] = "*" if "*" in exempted else ",".join(exempted)


def for_url(url: str) -> str | None:
    """Return the proxy for a URL, or None for a direct connection.

    httpx itself would check all proxies of the environment, even for an address that needs none,
    and raise an error for a kind that it has no library for.

    Raises:
        NochatError: it is a SOCKS proxy, and its library is not installed.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and proxy.startswith("socks") and not importlib.util.find_spec("socksio"):
        raise NochatError(
            f"the way to {host} is a SOCKS proxy, by the environment's variables: install what "
            f"speaks to it (pip install socksio), or name an HTTP proxy in {parts.scheme}_proxy"
        )
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def outside(environ: Mapping[str, str]) -> list[str]:
    """Return the variables with proxies that other computers can reach, too."""
    names = [name for name, value in environ.items() if _is_proxy(name) and _is_far(value)]
    return sorted([*names, *(name for name in NAMES if name in environ)]) if names else []


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _named(environ: Mapping[str, str]) -> bool:
    return any(value and _is_proxy(name) for name, value in environ.items())


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy") and name.lower() != "no_proxy"


def _is_far(proxy: str) -> bool:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return bool(parts.hostname) and not is_loopback(str(parts.hostname))
