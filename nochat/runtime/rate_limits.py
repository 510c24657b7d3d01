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
QUIET = 60.0  # seconds between two lines in the log that say the same

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
        """Forget half of the keys: those whose buckets are the fullest.

        Keys that have asked for the most are remembered the longest, however many others come.
        """
        emptiest = sorted(self._buckets, key=lambda key: self._tokens(key, now))
        self._buckets = {key: self._buckets[key] for key in emptiest[: MOST_KEYS // 2]}

    def _tokens(self, key: str, now: float) -> float:
        if not (bucket := self._buckets.get(key)):
            return self._most
        held, since = bucket
        return min(self._most, held + (now - since) * self._rate)


class ConcurrencyLimit:
    """A limit on how many of something each key may have at once.

    Args:
        most: of each key; 0: any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._here: Counter[str] = Counter()

    def enter(self, key: str) -> bool:
        """Count one more; returns whether there is room for it, and counts nothing if not."""
        if self._most and self._here[key] >= self._most:
            return False
        self._here[key] += 1
        return True

    def leave(self, key: str) -> None:
        """Count one less."""
        self._here[key] -= 1
        if self._here[key] <= 0:
            del self._here[key]


class ThrottledLog:
    """Lines in the log that an attacker could cause without end: each at most once in `QUIET`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said: dict[str, tuple[float, int]] = {}  # line -> when, and how often since

    def say(self, line: str, about: str = "") -> None:
        """Log a line, if it was not logged lately.

        Args:
            line: one of a few that there are.
            about: who or what it is about this time.
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
        """Serve a request, for ASGI."""
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
        # Sockets are counted by the gateway, as long polling has some without a connection.
        if not self._concurrency.enter(who):
            self._throttled_log.say("an address has reached its limit of open requests", who)
            return await refuse(scope, send, 429, reasons.rate_at_once(1), wait=1)
        try:
            await self._app(scope, self._counted(receive), send)
        finally:
            self._concurrency.leave(who)

    def _counted(self, receive: Receive) -> Receive:
        """Cut off a body without a length where it becomes too long."""
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
    """Answer an HTTP request with an error, or close a websocket by a code; it ends both."""
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": code})
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if wait:
        headers.append((b"retry-after", retry_after(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(reason.answer)})


def address(scope: Scope) -> str:
    """Return the address of a request, from the proxy where that is trusted.

    Of IPv6 the network: a visitor has 2**64 addresses to choose from.
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
    """Return the header's value: whole seconds."""
    return str(math.ceil(wait))
