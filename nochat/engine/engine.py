"""Engine.IO 4 as an ASGI application: long polling, websockets, and upgrades between them.

Source: https://socket.io/docs/v4/engine-io-protocol/, with the error codes of its reference.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from nochat.engine.guard import Guard, RequestRefused, Scope, Send
from nochat.engine.heartbeat import Heartbeat
from nochat.engine.outbox import Outbox
from nochat.engine.packets import SEPARATOR, Outgoing
from nochat.engine.session import EngineSession
from nochat.engine.websocket import serve_websocket

Receive = Callable[[], Any]
TEXT = b"text/plain; charset=UTF-8"


class EngineIO:
    """The sessions of one server.

    Args:
        guard: the application's rules on clients and packets.
        ping_interval: seconds from a client's answer to its next ping.
        ping_timeout: seconds for the answer.
        connect_timeout: seconds from a handshake to Socket.IO's CONNECT, and for an upgrade.
        stall_timeout: seconds without any read by a client that has a backlog.
        max_payload: bytes of one packet, or of one request of long polling, at most.
        most_backlog: bytes that may wait for a client; with more, it is disconnected.
        most_at_once: events of one client that are handled at a time; then reading pauses.
    """

    def __init__(
        self,
        guard: Guard | None = None,
        *,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        connect_timeout: float = 10.0,
        stall_timeout: float = 15.0,
        max_payload: int = 1_000_000,
        most_backlog: int = 2**20,
        most_at_once: int = 50,
    ) -> None:
        self.guard = guard or Guard()
        self.connect_timeout, self.stall_timeout = connect_timeout, stall_timeout
        self.max_payload, self.most_backlog = max_payload, most_backlog
        self.most_at_once = most_at_once
        self.sessions: dict[str, EngineSession] = {}
        self.outbox = Outbox()
        self.heartbeat = Heartbeat(ping_interval, ping_timeout)

    # ---- hooks for Socket.IO --------------------------------------------------------------------

    def on_message(self, session: EngineSession, data: bytes, binary: bool) -> None:
        """Handle a message from a client."""

    def on_close(self, session: EngineSession, reason: str) -> None:
        """Handle the end of a session."""

    # ---- sessions -------------------------------------------------------------------------------

    def forget(self, session: EngineSession, reason: str) -> None:
        """Remove a closed session."""
        del self.sessions[session.id]
        self.guard.left(session)
        self.on_close(session, reason)

    def open(self, scope: Scope, upgrades: list[str]) -> EngineSession:
        """Open a session, and queue the handshake for its client.

        Raises:
            RequestRefused: the guard refuses it.
        """
        session = EngineSession(self, scope)
        self.guard.admit(session, scope)
        self.sessions[session.id] = session
        session.expect(self.connect_timeout, "it did not connect")
        handshake = {
            "sid": session.id,
            "upgrades": upgrades,
            "pingInterval": int(self.heartbeat.interval * 1000),
            "pingTimeout": int(self.heartbeat.timeout * 1000),
            "maxPayload": self.max_payload,
        }
        session.pending.append(Outgoing(b"0" + json.dumps(handshake).encode()))
        self.heartbeat.expect(session)
        return session

    async def shutdown(self) -> None:
        """Close every session."""
        for session in list(self.sessions.values()):
            session.close("server shutting down")
        self.heartbeat.stop()

    # ---- ASGI -----------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        query = dict(parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True))
        try:
            if origin and not self.guard.allows_origin(origin, scope):
                raise RequestRefused("not an accepted origin", 3)
            session = self._named(scope, query)
            if scope["type"] == "websocket":
                return await serve_websocket(self, session, scope, receive)
            method = scope["method"]
            if session and method == "GET":
                body = await self._polled(session, receive)
            elif session and method == "POST":
                body = await self._posted(session, receive)
            elif method == "GET":
                session = self.open(scope, ["websocket"])
                body = await session.poll()
            elif method == "OPTIONS":
                body = b""
            else:
                raise RequestRefused("bad handshake method", 2)
        except RequestRefused as refused:
            return await self.guard.answer(refused, scope, send)
        answer = [(b"content-type", TEXT), (b"content-length", str(len(body)).encode())]
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": answer + (_cors(headers) if origin else []),
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _named(self, scope: Scope, query: dict[str, str]) -> EngineSession | None:
        """Return the session that a request names; None if the request opens one."""
        transport = query.get("transport")
        if scope.get("method") == "OPTIONS":
            return None
        if "j" in query:
            raise RequestRefused("JSONP is not served")
        if query.get("EIO") != "4":
            raise RequestRefused("unsupported protocol version", 5)
        if transport != ("websocket" if scope["type"] == "websocket" else "polling"):
            raise RequestRefused("unknown transport", 0)
        if "sid" not in query:
            return None
        session = self.sessions.get(query["sid"])
        if not session or not self.guard.owns(session, scope):
            raise RequestRefused("unknown session", 1)
        if session.channel and (scope["type"] == "websocket" or not session.probing):
            raise RequestRefused("the session has a websocket", 3)
        return session

    async def _polled(self, session: EngineSession, receive: Receive) -> bytes:
        watch = asyncio.ensure_future(_close_when_gone(session, receive))
        try:
            return await session.poll()
        except ValueError as error:
            raise RequestRefused(str(error)) from None
        finally:
            watch.cancel()

    async def _posted(self, session: EngineSession, receive: Receive) -> bytes:
        try:
            if session.posting:
                raise ValueError("two POSTs at once")
            session.posting = True
            await session.take((await self._body(session, receive)).split(SEPARATOR))
        except ValueError as error:
            session.evict(str(error))
            raise RequestRefused(str(error)) from None
        finally:
            session.posting = False
        return b"ok"

    async def _body(self, session: EngineSession, receive: Receive) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if message["type"] == "http.disconnect":
                raise ValueError("a POST was cut off")
            if len(body) > self.max_payload:
                session.close("transport error")
                raise RequestRefused("payload too large", 3, 413)
        return body


async def _close_when_gone(session: EngineSession, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    session.close("transport close")


def _cors(headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    told = [
        (b"access-control-allow-origin", headers[b"origin"]),
        (b"access-control-allow-credentials", b"true"),
    ]
    if b"access-control-request-headers" in headers:
        told.append((b"access-control-allow-headers", headers[b"access-control-request-headers"]))
    return told
