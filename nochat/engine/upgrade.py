"""A strict parser of the usual request that opens a websocket.

Source: RFC 6455, section 4.2.1, with the grammar of RFC 9112. A request that this parser rejects
may be valid: a complete parser reads it then.
"""

import re
from typing import NamedTuple, Self

MOST = 8192  # bytes; browsers send a tenth of that
REQUEST = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#-'*+\-.^-`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
)
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
ONCE = (b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version")
BODY = (b"content-length", b"transfer-encoding", b"expect")


class Upgrade(NamedTuple):
    """A request for a websocket.

    Attributes:
        target: the path and query, as sent.
        headers: in the form of ASGI.
        key: the handshake's key.
    """

    target: bytes
    headers: list[tuple[bytes, bytes]]
    key: str

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """Parse a complete request; return None if it is not a usual one."""
        match = REQUEST.fullmatch(data) if len(data) <= MOST else None
        if not match:
            return None
        headers = []
        for line in match[2].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value.strip(b" \t")))
        named = dict(headers)
        names = [name for name, _ in headers]
        if any(names.count(name) != 1 for name in ONCE) or any(name in named for name in BODY):
            return None
        tokens = [token.strip() for token in named[b"connection"].lower().split(b",")]
        asks = b"upgrade" in tokens and named[b"upgrade"].lower() == b"websocket"
        key = named[b"sec-websocket-key"]
        if not asks or named[b"sec-websocket-version"] != b"13" or not KEY.fullmatch(key):
            return None
        return cls(match[1], headers, key.decode())
