"""Connections, below HTTP: bounds on their cost before there is a request.

A client has some seconds to send a request and to read the answer. Idle connections are bounded
by address and in total; above a bound, the one that has waited longest is closed, so that new
requests are served. A proxy's connections count as well: it connects when it has a request.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nochat.engine import TakeOver
from nochat.engine.upgrade import Upgrade
from nochat.runtime.rate_limits import Limit, ThrottledLog, address

ASKING = 10.0  # seconds for a request's headers, and again for its body
STALLED = 15.0  # seconds that a client may leave data in the send buffer
FRAMES = 10.0  # pings, pongs and continuations per second on a websocket; browsers send none
BURST = 10.0  # seconds worth of such frames that may come at once

throttled_log = ThrottledLog()


class IdleConnection(Protocol):
    """A connection that can be closed at once."""

    def cut(self) -> None:
        """Abort the connection."""


class IdleConnections:
    """The connections without a request, in the order of their waiting time.

    Args:
        per_address: the bound for one address; 0 for none.
        most: the bound for all.
    """

    def __init__(self, per_address: int, most: int) -> None:
        self._per_address, self._most = per_address, most
        self._all: dict[IdleConnection, str] = {}
        self._by_address: dict[str, dict[IdleConnection, None]] = {}

    def add(self, connection: IdleConnection, host: str) -> None:
        """Add a connection; above a bound, close the one that has waited longest."""
        self._all[connection] = host
        its = self._by_address.setdefault(host, {})
        its[connection] = None
        if self._per_address and len(its) > self._per_address:
            self._make_room(next(iter(its)), "too many silent connections from one address")
        elif len(self._all) > self._most:
            self._make_room(next(iter(self._all)), "too many silent connections")

    def remove(self, connection: IdleConnection) -> None:
        """Remove a connection that has a request or is closed."""
        if (host := self._all.pop(connection, None)) is not None:
            its = self._by_address[host]
            del its[connection]
            if not its:
                del self._by_address[host]

    def _make_room(self, first: IdleConnection, reason: str) -> None:
        throttled_log.say(reason, self._all[first])
        self.remove(first)
        first.cut()


class Config(uvicorn.Config):
    """uvicorn's configuration, with the idle connections."""

    waiting: IdleConnections


class WriteTimeout(asyncio.Protocol):
    """A connection that is aborted when its client has read nothing for `STALLED` seconds."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _cut: Callable[[], None] = staticmethod(lambda: None)

    def cut(self) -> None:
        """Abort the connection."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Start the timer: the transport's buffer is full."""
        super().pause_writing()
        self._cut = self.loop.call_later(STALLED, self.cut).cancel

    def resume_writing(self) -> None:
        """Stop the timer: the transport's buffer has room again."""
        self._cut()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer: the connection has ended."""
        self._cut()
        super().connection_lost(exc)


class RequestParser(h11.Connection):
    """A parser that refuses bodies with two lengths, against request smuggling (RFC 9112, 6.3)."""

    def next_event(self) -> Any:
        """Return the next event; refuse a request whose body has two lengths.

        Raises:
            RemoteProtocolError: answered with 400, and the connection ends.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            chunked = b"transfer-encoding" in names
            if chunked and (b"content-length" in names or event.http_version < b"1.1"):
                raise h11.RemoteProtocolError("two ends of one body")
        return event


class HttpProtocol(WriteTimeout, H11Protocol):
    """A connection with `ASKING` seconds for a request's headers, and again for its body."""

    config: Config
    _phase: Any = None
    _stop: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn.__class__ = (
            RequestParser  # uvicorn has no option for another parser than h11's own
        )

    def connection_made(self, transport: Any) -> None:
        """Start the timer of a new connection."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the transport; a usual websocket's handshake needs no parser but one."""
        if upgrade := self._upgrade(data):
            return self._hand_over(upgrade, data)
        super().data_received(data)
        self._look()

    def _upgrade(self, data: bytes) -> Upgrade | None:
        """Read a handshake, if these are the first bytes of their connection."""
        is_first = self.cycle is None and self._phase is h11.IDLE and not self.conn.trailing_data[0]
        return Upgrade.read(data) if is_first else None

    def _hand_over(self, upgrade: Upgrade, request: bytes) -> None:
        """Hand over to the websocket protocol, which has its own clock."""
        self._is_in(None)
        self.connections.discard(self)
        protocol = WebSocketProtocol(self.config, self.server_state, self.app_state, self.loop)
        protocol.client, protocol.server = self.client, self.server
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.offer(upgrade, request)

    def on_response_complete(self) -> None:
        """Wait for the next request after an answer."""
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over to the websocket protocol, which has its own timers."""
        self._is_in(None)
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer: the connection has ended."""
        self._is_in(None)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Determine the phase: headers (IDLE), a body, or none while the chat handles a request."""
        if self.transport.get_protocol() is self and not self.transport.is_closing():
            state = self.conn.their_state
            self._is_in(state if state in (h11.IDLE, h11.SEND_BODY) else None)

    def _is_in(self, phase: Any) -> None:
        """Enter a phase with a time limit, which further bytes do not extend."""
        if phase is self._phase:
            return
        self._phase = phase
        self._stop()
        self.config.waiting.remove(self)
        if phase is None:
            return
        self._stop = self.loop.call_later(ASKING, self._too_late).cancel
        if phase is h11.IDLE:
            self.config.waiting.add(self, address({"client": self.client}))

    def _too_late(self) -> None:
        # Without an answer, which a browser would take for that of its next request.
        throttled_log.say(
            f"connections without a request within {ASKING:.0f} s are closed", str(self.client)
        )
        self.cut()


class WebSocketProtocol(WriteTimeout, TakeOver):
    """A websocket with a rate limit on control frames, which the chat itself never sees."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._frames = Limit(FRAMES, BURST)

    def handle_ping(self) -> None:
        """Count a ping."""
        if self._may_go_on():
            super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        """Count a pong."""
        if self._may_go_on():
            super().handle_pong(event)

    def handle_cont(self, event: Any) -> None:
        """Count a continuation frame."""
        if self._may_go_on():
            super().handle_cont(event)

    def _may_go_on(self) -> bool:
        if not self._frames.wait(""):
            return True
        throttled_log.say("a websocket is closed: too many control frames", str(self.client))
        self.cut()
        return False
