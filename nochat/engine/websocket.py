"""Websockets of sessions, by picows on a connection that uvicorn hands over.

picows parses frames in C, in the callback that reads them: a client needs no task and no queue.
"""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from nochat.engine.guard import RequestRefused, Scope

if TYPE_CHECKING:
    from nochat.engine.engine import EngineIO
    from nochat.engine.session import EngineSession

TEXT, BINARY, PING, CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.CLOSE
MOST_UNREAD = 2**14  # bytes that may wait for a client before it has a limit of time to read them
TAKE_OVER = "nochat.take_over"  # the extension of ASGI that `TakeOver` offers
# An adapter: picows makes a logger of its own for each connection of a `Logger`.
quiet = logging.LoggerAdapter(logging.getLogger("picows.quiet"))
quiet.logger.setLevel(logging.CRITICAL)


async def serve_websocket(
    engine: "EngineIO", session: "EngineSession | None", scope: Scope, receive: Any
) -> None:
    """Serve a websocket: upgrade a session that polls, or open a new one.

    Raises:
        RequestRefused: the session is refused.
    """
    await receive()
    if not (take_over := scope.get("extensions", {}).pop(TAKE_OVER, None)):
        raise RequestRefused("this server hands no websocket over: start it with ws=TakeOver")
    new = session is None
    take_over(WebSocket(engine, session or engine.open(scope, []), new), engine.max_payload)


class WebSocket(WSListener):
    """A session's websocket, on a connection that was taken over from the server.

    Attributes:
        stalled: the timer that runs while the client does not read its backlog.
    """

    def __init__(self, engine: "EngineIO", session: "EngineSession", new: bool) -> None:
        self._engine, self._session, self._new = engine, session, new
        self._ws: Any = None
        self._tcp: Any = None
        self._parts: bytearray | None = None  # of a message that comes in fragments
        self._binary = False
        self.stalled: asyncio.TimerHandle | None = None

    # ---- for the session ------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """The number of bytes that wait for the client."""
        return int(self._tcp.get_write_buffer_size())

    def close(self, *, at_once: bool) -> None:
        """Close the websocket."""
        if at_once:
            self._tcp.abort()
        elif not self._ws.is_disconnected:
            self._ws.send_close(WSCloseCode.OK)
            self._ws.disconnect()

    def pause(self, on: bool) -> None:
        """Pause reading from the client, or resume it."""
        with suppress(RuntimeError):  # it is closing
            (self._tcp.pause_reading if on else self._tcp.resume_reading)()

    # ---- for picows -----------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Attach the websocket to its session."""
        self._ws, self._tcp = transport, transport.underlying_transport
        self._tcp.set_write_buffer_limits(high=MOST_UNREAD)
        session = self._session
        session.channel, session.write, session.probing = self, self._tcp.write, not self._new
        if self._new:
            session.flush()
        else:
            soon = asyncio.get_running_loop().call_later
            soon(self._engine.connect_timeout, self._end_unless_upgraded)

    def _end_unless_upgraded(self) -> None:
        if self._session.channel is self and self._session.probing:
            self.close(at_once=False)

    def _read(self, packet: bytes, binary: bool) -> None:
        if not self._session.probing:
            self._session.receive(packet, binary=binary)
            return
        try:
            self._session.upgrade(packet)
        except ValueError:
            self.close(at_once=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Handle a frame."""
        kind = frame.msg_type
        if (kind is TEXT or kind is BINARY) and frame.fin and self._parts is None:
            self._read(frame.get_payload_as_bytes(), kind is BINARY)
        elif kind is CLOSE:
            transport.send_close(frame.get_close_code() or WSCloseCode.OK)
            transport.disconnect()
        else:
            self._other(transport, kind, frame)

    def _other(self, transport: WSTransport, kind: WSMsgType, frame: WSFrame) -> None:
        """Handle a ping, a pong, or a fragment of a message."""
        try:
            self._engine.guard.control(self._session)
            if kind is PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif kind is not WSMsgType.PONG:
                self._part(kind, frame)
        except ValueError as error:
            self._session.evict(str(error))
            transport.disconnect()

    def _part(self, kind: WSMsgType, frame: WSFrame) -> None:
        if (kind is WSMsgType.CONTINUATION) == (self._parts is None):
            raise ValueError("parts of a message in disorder")
        if self._parts is None:
            self._parts, self._binary = bytearray(), kind is BINARY
        self._parts += frame.get_payload_as_bytes()
        if len(self._parts) > self._engine.max_payload:
            raise ValueError("a message that is too long")
        if frame.fin:
            whole, self._parts = bytes(self._parts), None
            self._read(whole, self._binary)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Detach the websocket from its session."""
        self.resume_writing()
        self._session.lost(self)

    def pause_writing(self) -> None:
        """Start the stall timeout: the client has a backlog."""
        loop = asyncio.get_running_loop()
        self.stalled = loop.call_later(self._engine.stall_timeout, self._cut)

    def resume_writing(self) -> None:
        """Cancel the stall timeout: the client reads again."""
        if self.stalled:
            self.stalled.cancel()
            self.stalled = None

    def _cut(self) -> None:
        self._session.evict("it did not read")
        self._tcp.abort()
