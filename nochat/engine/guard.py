"""The rules of an application: which clients and packets its server refuses."""

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nochat.engine.session import EngineSession

Scope = dict[str, Any]  # of ASGI
Send = Callable[..., Any]
log = logging.getLogger(__name__)


class RequestRefused(Exception):
    """A refused request.

    Attributes:
        status: HTTP status of the answer.
        code: Engine.IO's error code.
    """

    def __init__(self, message: str, code: int = 3, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Guard:
    """The default rules: those of Engine.IO's protocol; pages of other origins may not connect.

    Override the methods where your application is stricter.
    """

    def allows_origin(self, origin: str, scope: Scope) -> bool:
        """Return whether a page of an origin may connect."""
        host: bytes = dict(scope["headers"]).get(b"host", b"")
        return origin.partition("://")[2].encode("latin1") == host

    def admit(self, session: "EngineSession", scope: Scope) -> None:
        """Admit a new session.

        Raises:
            RequestRefused: the session is refused.
        """

    def owns(self, session: "EngineSession", scope: Scope) -> bool:
        """Return whether a request for a session comes from the client that opened it."""
        return True

    def packet(self, session: "EngineSession", packet: bytes, binary: bool) -> None:
        """Check an Engine.IO packet from a client.

        Raises:
            ValueError: the packet is refused; the session ends.
        """

    def control(self, session: "EngineSession") -> None:
        """Check a websocket frame that is not a whole packet: a ping, a pong, a continuation.

        Raises:
            ValueError: the frame is refused; the session ends.
        """

    def unknown(self, session: "EngineSession", what: str) -> None:
        """Handle an event, acknowledgement or namespace without a handler; by default, ignore it.

        Raises:
            ValueError: it is refused; the session ends.
        """

    def failed(self, error: Exception) -> Any:
        """Return the acknowledgement of an event whose handler failed; None to send none."""
        return None

    def left(self, session: "EngineSession") -> None:
        """Handle the end of an admitted session."""

    def evicted(self, session: "EngineSession", why: str) -> None:
        """Log that a session was closed because of its client's behaviour."""
        log.info("a session is closed: %s", why)

    def slow(self, session: "EngineSession", waiting: int) -> None:
        """Log that a slow client is disconnected because its backlog is full."""
        log.warning("a slow client is disconnected: %d bytes wait for it", waiting)

    async def answer(self, refused: RequestRefused, scope: Scope, send: Send) -> None:
        """Send the answer to a refused request."""
        body = json.dumps({"code": refused.code, "message": str(refused)}).encode()
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        if kind not in ("http.response", *scope.get("extensions", {})):
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"application/json")]
        start = {"type": f"{kind}.start", "status": refused.status, "headers": headers}
        await send(start)
        await send({"type": f"{kind}.body", "body": body})
