"""Rate limits for users and addresses: token buckets, in the memory of one process."""

import ipaddress
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

import msgspec

from nochat.protocol import reasons
from nochat.protocol.reasons import Reason

log = logging.getLogger(__name__)

MOST_KEYS = 10_000
QUIET = 60.0  # seconds between two equal lines in the log

App = Callable[..., Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Scope = MutableMapping[str, Any]


class Limit:
    """A token bucket for each key.

    Args:
        rate: tokens added per second; 0 for no limit.
        burst: capacity of a bucket, in seconds worth of tokens.
        now: the clock, in seconds.
    """

    def __init__(
        self, rate: float, burst: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._most, self._now = rate, max(1.0, rate * burst), now
        self._buckets: dict[str, tuple[float, float]] = {}  # key -> tokens, as of when

    def wait(self, key: str, cost: float = 1.0) -> float:
        """Take tokens; returns 0, or the seconds until there are enough and takes none."""
        if not self._rate:
            return 0.0
        cost = min(cost, self._most)
        now = self._now()
        held = self._tokens(key, now)
        if held < cost:
            return (cost - held) / self._rate
        self._buckets[key] = held - cost, now
        if len(self._buckets) > MOST_KEYS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Remove half of the keys: those with the fullest buckets.

        The keys with the most requests are kept the longest, however many new keys come.
        """
        emptiest = sorted(self._buckets, key=lambda key: self._tokens(key, now))
        self._buckets = {key: self._buckets[key] for key in emptiest[: MOST_KEYS // 2]}

    def _tokens(self, key: str, now: float) -> float:
        if not (bucket := self._buckets.get(key)):
            return self._most
        held, since = bucket
        return min(self._most, held + (now - since) * self._rate)


class ConcurrencyLimit:
    """A limit on the concurrent uses of each key.

    Args:
        most: uses of each key at once; 0 for no limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._here: Counter[str] = Counter()

    def enter(self, key: str) -> bool:
        """Count one more use and return True; at the limit, return False."""
        if self._most and self._here[key] >= self._most:
            return False
        self._here[key] += 1
        return True

    def leave(self, key: str) -> None:
        """Count one use less."""
        self._here[key] -= 1
        if self._here[key] <= 0:
            del self._here[key]


class ThrottledLog:
    """Log lines that an attacker could cause without end: each at most once in `QUIET`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said: dict[str, tuple[float, int]] = {}  # line -> last time, and repetitions since

    def say(self, line: str, about: str = "") -> None:
        """Log a line, unless it was logged recently.

        Args:
            line: the line, one of a few constant ones.
            about: its subject this time.
        """
        now = self._now()
        when, unsaid = self._said.get(line, (-math.inf, 0))
        if now - when < QUIET:
            self._said[line] = when, unsaid + 1
            return
        more = f"; {unsaid} times more since the last such line" if unsaid else ""
        log.warning("%s%s%s", line, f" ({about})" if about else "", more)
        self._said[line] = now, 0


class RateLimitMiddleware:
    """A middleware that limits each address's requests: their rate, number and size."""

    def __init__(
        self, app: App, limit: Limit, concurrency: ConcurrencyLimit, most_bytes: int
    ) -> None:
        self._app, self._limit, self._concurrency, self._most = app, limit, concurrency, most_bytes
        self._throttled_log = ThrottledLog()

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """Serve an ASGI request."""
        who = address(scope)
        wait = self._limit.wait(who)
        if wait:
            reason = reasons.rate_requests(wait)
            return await refuse(scope, send, 429, reason, wait=wait, code=1013)
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._most:
            return await refuse(scope, send, 413, reasons.request_too_large(self._most))
        # The gateway counts sockets, as long polling has sockets without a connection.
        if not self._concurrency.enter(who):
            self._throttled_log.say("an address has reached its limit of open requests", who)
            return await refuse(scope, send, 429, reasons.rate_at_once(1), wait=1)
        try:
            await self._app(scope, self._counted(receive), send)
        finally:
            self._concurrency.leave(who)

    def _counted(self, receive: Receive) -> Receive:
        """Cut off a body of unknown length when it becomes too long."""
        left = self._most

        async def counted() -> Any:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        return counted


async def refuse(
    scope: Scope, send: App, status: int, reason: Reason, *, wait: float = 0, code: int = 1008
) -> None:
    """Answer an HTTP request with an error, or close a websocket with a code."""
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": code})
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if wait:
        headers.append((b"retry-after", retry_after(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(reason.answer)})


def address(scope: Scope) -> str:
    """Return the address of a request's client, as reported by a trusted proxy.

    For IPv6 it is the network: a visitor has 2**64 addresses to choose from.
    """
    return _network(str((scope.get("client") or [""])[0])[:64].partition("%")[0])


@lru_cache(maxsize=MOST_KEYS)
def _network(host: str) -> str:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def retry_after(wait: float) -> str:
    """Return the value of a Retry-After header: whole seconds."""
    return str(math.ceil(wait))
