"""Listening sockets at the addresses of the settings, with explanations of failures."""

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Any

from nochat.errors import NochatError
from nochat.runtime import origin

SEND_BUFFER = 2**17  # bytes that the system may buffer for a client (Linux doubles it)
ADDRESSES = (
    "give an address of this machine: 127.0.0.1 or ::1 for programs of this machine only, 0.0.0.0 "
    "or, with IPv6, :: for all that reach it"
)


@dataclass(frozen=True)
class ListenAddress:
    """An address to listen on.

    Attributes:
        host: an address of this machine, or a name for one.
        port: 0 takes a free one.
        host_setting: the variable that names the host.
        port_setting: the variable that names the port.
    """

    host: str
    port: int
    host_setting: str
    port_setting: str

    def __str__(self) -> str:
        return origin.netloc(self.host.strip("[]"), self.port)


def listen(where: ListenAddress) -> socket.socket:
    """Open a listening socket.

    Raises:
        NochatError: it can't be opened; the message says why, and which setting to change.
    """
    family, address = _resolve(where)
    # `::` stands for all addresses of the machine, including those of IPv4.
    both = address[0] == "::" and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server(
            address[:2] if both else address, family=family, backlog=1024, dualstack_ipv6=both
        )
    except OSError as error:
        raise NochatError(_refused(where, error)) from None
    # Otherwise, the system would buffer megabytes for each client that does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return listening


def _resolve(where: ListenAddress) -> tuple[socket.AddressFamily, Any]:
    """Resolve a host to an address, preferring IPv4, as most clients do."""
    setting = f"{where.host_setting}={where.host}"
    if not (host := where.host.strip("[]")):
        raise NochatError(f"{setting} is empty; {ADDRESSES}")
    try:
        addresses = socket.getaddrinfo(host, where.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NochatError(f"{setting} can't be used: {error.strerror}; {ADDRESSES}") from None
    except UnicodeError:
        raise NochatError(f"{setting} is not a host name; {ADDRESSES}") from None
    family, _, _, _, address = min(addresses, key=lambda candidate: candidate[0] != socket.AF_INET)
    return family, address


def _refused(where: ListenAddress, error: OSError) -> str:
    reason = os.strerror(error.errno or 0)
    match error.errno:
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            advice = f"this machine has no such address: set {where.host_setting}; {ADDRESSES}"
        case errno.EACCES:
            advice = (
                f"ports below 1024 need administrator rights: set {where.port_setting} to a higher "
                "one, and put a proxy in front of it"
            )
        case _:
            advice = f"stop what uses it, or set {where.port_setting} to another, or 0 for any"
    return f"can't listen on {where} ({reason}); {advice}"


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket, as seen from this machine."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:  # all addresses: no browser's
        dual = listening.family == socket.AF_INET or not listening.getsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        )
        host = "127.0.0.1" if dual else "::1"
    return origin.url(host, port)
