"""How much one user, or one address, may ask for: token buckets, in the memory of one process."""

import ipaddress
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

MOST_KEYS = 10_000

App = Callable[..., Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Scope = MutableMapping[str, Any]


class Limit:
    """A bucket of tokens for each key: it holds `burst`, and `rate` a second flow in.

    Args:
        rate: tokens a second; 0: there is no limit.
        burst: seconds worth of tokens that a full bucket holds.
        now: the clock, in seconds.
    """

    def __init__(
        self, rate: float, burst: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._most, self._now = rate, max(1.0, rate * burst), now
        self._buckets: dict[str, tuple[float, float]] = {}  # key -> tokens, as of when

    def wait(self, key: str, cost: float = 1.0) -> float:
        """Take tokens; returns 0, or the seconds until there are enough and takes none."""
        cost = min(cost, self._most)
        if not self._rate:
            return 0.0
        now = self._now()
        held, since = self._buckets.get(key, (self._most, now))
        held = min(self._most, held + (now - since) * self._rate)
        if held < cost:
            return (cost - held) / self._rate
        self._buckets[key] = held - cost, now
        if len(self._buckets) > MOST_KEYS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Forget who has been quiet; if nobody has, all: better than a memory without bound."""
        full = self._most / self._rate
        recent = {key: it for key, it in self._buckets.items() if now - it[1] < full}
        self._buckets = recent if len(recent) <= MOST_KEYS else {}


class Turnstile:
    """Lets each address into an ASGI application at a bounded rate, with bodies of bounded size."""

    def __init__(self, app: App, limit: Limit, most_bytes: int) -> None:
        self._app, self._limit, self._most = app, limit, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """ASGI."""
        wait = self._limit.wait(address(scope))
        if scope["type"] == "websocket":
            if wait:
                return await send({"type": "websocket.close", "code": 1013})
            return await self._app(scope, receive, send)
        if wait:
            return await refuse(send, 429, "too many requests; wait a moment", wait)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._most:
            return await refuse(send, 413, f"the request is over {self._most} bytes")
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        """A body without a length is cut off where it becomes too long."""
        left = self._most

        async def counted() -> Any:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        return counted


async def refuse(send: App, status: int, reason: str, wait: float = 0) -> None:
    """Answer an HTTP request with an error, and end its connection."""
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if wait:
        headers.append((b"retry-after", retry_after(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode({"error": reason})})


def address(scope: Scope) -> str:
    """Where a request comes from, as a proxy that is believed says.

    Of IPv6 the network: a visitor has 2**64 addresses to choose from.
    """
    host = str((scope.get("client") or [""])[0])
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def retry_after(wait: float) -> str:
    """The header's value: whole seconds."""
    return str(math.ceil(wait))
