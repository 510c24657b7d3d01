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

MOST_BACKLOG = 2**20  # bytes that may wait for a client before it is dropped
ENTERING = 10.0  # seconds from the handshake to Socket.IO's CONNECT, and for a change of transport
MOST_AT_ONCE = 50  # events of one client that are handled at a time; it is not read meanwhile


class NotAllowed(RequestRefused):
    """A request that the chat refuses for a reason of its own."""

    def __init__(self, reason: Reason, status: int = 400) -> None:
        super().__init__(str(reason), status=status)
        self.reason = reason


@dataclass(slots=True)
class Client:
    """The client of a session.

    Attributes:
        payer: whose packets these are: an address, and once it has logged in, a user.
        cookie: of the user who opened it; "": none.
        connected: whether it has sent Socket.IO's CONNECT, which it may do once.
    """

    host: str
    payer: str
    cookie: str
    connected: bool = False


class Bounds(Guard):
    """Lets clients send what the chat's clients send, and no more of it than they need.

    Args:
        packets: how many a client may send.
        concurrency: how many sockets an address may have open.
        cookie: gives the session's cookie of a request, or "".
        may_connect: tells whether a page of an origin may open a socket.
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
        """Tell whether a page of an origin may connect."""
        return self._may_connect(origin, {"asgi.scope": scope})

    def admit(self, session: EngineSession, scope: Scope) -> None:
        """Let a new session in, if its address has not reached its limit of sockets."""
        host = address(scope)
        if not self._concurrency.enter(host):
            self._throttled_log.say("an address has reached its limit of sockets", host)
            raise NotAllowed(reasons.socket_address(), 429)
        session.info = Client(host, host, self._cookie(scope))

    def owns(self, session: EngineSession, scope: Scope) -> bool:
        """Tell whether a request for a session comes from the client that opened it.

        The session's id alone proves nothing: it stands in addresses, which logs keep.
        """
        cookie = session.info.cookie
        if cookie and not hmac.compare_digest(cookie.encode(), self._cookie(scope).encode()):
            raise NotAllowed(reasons.socket_stolen())
        return True

    def packet(self, session: EngineSession, packet: bytes, binary: bool) -> None:
        """Count a packet, and see whether it is of a kind that the chat's clients send."""
        client: Client = session.info
        self.control(session)
        if binary or packet[:2] in (b"45", b"46"):
            self.unknown(session, "attachments")
        if packet[:2] == b"40":
            if client.connected:
                self.unknown(session, "a second CONNECT")
            client.connected = True

    def control(self, session: EngineSession) -> None:
        """Count a packet, or a frame of the websocket that is none."""
        if self._packets.wait(session.info.payer):
            raise ValueError("too many packets")

    def unknown(self, session: EngineSession, what: str) -> None:
        """Refuse what nobody handles."""
        raise ValueError("an unexpected packet")

    def failed(self, error: Exception) -> dict[str, Any]:
        """Return the answer to an action that failed."""
        return reasons.failed().answer | {"retry": False}

    def left(self, session: EngineSession) -> None:
        """Count a session that is over."""
        self._concurrency.leave(session.info.host)

    def evicted(self, session: EngineSession, why: str) -> None:
        """Log why a session was closed."""
        self._throttled_log.say(f"a socket is closed: {why}", session.info.payer)

    async def answer(self, refused: RequestRefused, scope: Scope, send: App) -> None:
        """Answer a request that was refused."""
        reason = reasons.socket_protocol(str(refused))
        if isinstance(refused, NotAllowed):
            reason = refused.reason
        await refuse(scope, send, refused.status, reason)
