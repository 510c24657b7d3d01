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
    """A request is refused.

    Attributes:
        status: of the answer, in HTTP.
        code: of the error, as Engine.IO numbers them.
    """

    def __init__(self, message: str, code: int = 3, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Guard:
    """Rules of Engine.IO's documents alone; pages of other origins may not connect.

    Override what your application is stricter about.
    """

    def allows_origin(self, origin: str, scope: Scope) -> bool:
        """Tell whether a page of an origin may connect."""
        host: bytes = dict(scope["headers"]).get(b"host", b"")
        return origin.partition("://")[2].encode("latin1") == host

    def admit(self, session: "EngineSession", scope: Scope) -> None:
        """Let a new session in.

        Raises:
            RequestRefused: it does not get in.
        """

    def owns(self, session: "EngineSession", scope: Scope) -> bool:
        """Tell whether a request for a session comes from the client that opened it."""
        return True

    def packet(self, session: "EngineSession", packet: bytes, binary: bool) -> None:
        """Look at each packet of Engine.IO that a client sends.

        Raises:
            ValueError: it ends the session.
        """

    def control(self, session: "EngineSession") -> None:
        """Look at each frame of a websocket that is no packet: pings, pongs, continuations.

        Raises:
            ValueError: it ends the session.
        """

    def unknown(self, session: "EngineSession", what: str) -> None:
        """Decide what becomes of a client that sends what nobody handles: nothing.

        Raises:
            ValueError: it ends the session.
        """

    def failed(self, error: Exception) -> Any:
        """Return what an event is acknowledged with whose handler failed; None: nothing."""
        return None

    def left(self, session: "EngineSession") -> None:
        """Note that an admitted session is over."""

    def evicted(self, session: "EngineSession", why: str) -> None:
        """Note that a session was ended for what its client did."""
        log.info("a session is closed: %s", why)

    def slow(self, session: "EngineSession", waiting: int) -> None:
        """Note that a client is dropped because it does not read."""
        log.warning("a slow client is disconnected: %d bytes wait for it", waiting)

    async def answer(self, refused: RequestRefused, scope: Scope, send: Send) -> None:
        """Answer a request that was refused."""
        body = json.dumps({"code": refused.code, "message": str(refused)}).encode()
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        if kind not in ("http.response", *scope.get("extensions", {})):
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"application/json")]
        start = {"type": f"{kind}.start", "status": refused.status, "headers": headers}
        await send(start)
        await send({"type": f"{kind}.body", "body": body})
