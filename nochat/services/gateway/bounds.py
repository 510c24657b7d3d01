"""Bounds on the cost of a client: its sockets, its packets, and its time to log in."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nochat.engine import Guard, RequestRefused
from nochat.engine.session import EngineSession
from nochat.protocol import reasons
from nochat.protocol.reasons import Reason
from nochat.runtime.rate_limits import (
    App,
    ConcurrencyLimit,
    Limit,
    Scope,
    ThrottledLog,
    address,
    refuse,
)

MOST_BACKLOG = 2**20  # bytes that may wait for a client before it is disconnected
ENTERING = 10.0  # seconds from the handshake to Socket.IO's CONNECT, and for an upgrade
MOST_AT_ONCE = 50  # events of one client that are handled at a time; reading pauses meanwhile


class NotAllowed(RequestRefused):
    """A request that the chat refuses, with the reason."""

    def __init__(self, reason: Reason, status: int = 400) -> None:
        super().__init__(str(reason), status=status)
        self.reason = reason


@dataclass(slots=True)
class Client:
    """The client of a session.

    Attributes:
        payer: whom its packets count for: an address, or a user after the log-in.
        cookie: the session's cookie of the user who opened it, or "".
        connected: whether it has sent Socket.IO's CONNECT, which is allowed once.
    """

    host: str
    payer: str
    cookie: str
    connected: bool = False


class Bounds(Guard):
    """The rules of the chat: clients may send only the packets of its own clients, within limits.

    Args:
        packets: the limit on a client's packets.
        concurrency: the limit on open sockets of an address.
        cookie: returns the session's cookie of a request, or "".
        may_connect: returns whether a page of an origin may open a socket.
    """

    def __init__(
        self,
        packets: Limit,
        concurrency: ConcurrencyLimit,
        cookie: Callable[[Scope], str],
        may_connect: Callable[[str | None, dict[str, Any]], bool],
    ) -> None:
        self._packets, self._concurrency = packets, concurrency
        self._cookie, self._may_connect = cookie, may_connect
        self._throttled_log = ThrottledLog()

    def allows_origin(self, origin: str, scope: Scope) -> bool:
        """Return whether a page of an origin may connect."""
        return self._may_connect(origin, {"asgi.scope": scope})

    def admit(self, session: EngineSession, scope: Scope) -> None:
        """Admit a new session, unless its address has reached its limit of sockets."""
        host = address(scope)
        if not self._concurrency.enter(host):
            self._throttled_log.say("an address has reached its limit of sockets", host)
            raise NotAllowed(reasons.socket_address(), 429)
        session.info = Client(host, host, self._cookie(scope))

    def owns(self, session: EngineSession, scope: Scope) -> bool:
        """Return whether a request for a session comes from the client that opened it.

        The session's id alone proves nothing: it is part of URLs, which logs may contain.
        """
        cookie = session.info.cookie
        if cookie and not hmac.compare_digest(cookie.encode(), self._cookie(scope).encode()):
            raise NotAllowed(reasons.socket_stolen())
        return True

    def packet(self, session: EngineSession, packet: bytes, binary: bool) -> None:
        """Count a packet, and check that it is of a kind that the chat's clients send."""
        client: Client = session.info
        self.control(session)
        if binary or packet[:2] in (b"45", b"46"):
            self.unknown(session, "attachments")
        if packet[:2] == b"40":
            if client.connected:
                self.unknown(session, "a second CONNECT")
            client.connected = True

    def control(self, session: EngineSession) -> None:
        """Count a packet or a control frame of the websocket."""
        if self._packets.wait(session.info.payer):
            raise ValueError("too many packets")

    def unknown(self, session: EngineSession, what: str) -> None:
        """Refuse packets without a handler."""
        raise ValueError("an unexpected packet")

    def failed(self, error: Exception) -> dict[str, Any]:
        """Return the answer to an action that failed."""
        return reasons.failed().answer | {"retry": False}

    def left(self, session: EngineSession) -> None:
        """Release a closed session's place in the limit of sockets."""
        self._concurrency.leave(session.info.host)

    def evicted(self, session: EngineSession, why: str) -> None:
        """Log why a session was closed."""
        self._throttled_log.say(f"a socket is closed: {why}", session.info.payer)

    async def answer(self, refused: RequestRefused, scope: Scope, send: App) -> None:
        """Send the answer to a refused request."""
        reason = reasons.socket_protocol(str(refused))
        if isinstance(refused, NotAllowed):
            reason = refused.reason
        await refuse(scope, send, refused.status, reason)
