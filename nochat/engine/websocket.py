"""Websockets of sessions: by picows on the connection itself, or on any server by ASGI.

picows parses a frame in C in the callback that reads it: there is no task for a client, and no queue.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nochat.engine.guard import Refused, Scope, Send
from nochat.engine.packets import Outgoing

if TYPE_CHECKING:
    from nochat.engine.engine import Engine
    from nochat.engine.session import Session

TEXT, BINARY, PING, CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.CLOSE
TAKE_OVER = "nochat.take_over"  # the extension of ASGI that `TakeOver` offers
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: -\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
)
# An adapter: picows makes a logger of its own for each connection of a `Logger`.
quiet = logging.LoggerAdapter(logging.getLogger("picows.quiet"))
quiet.logger.setLevel(logging.CRITICAL)


async def serve_websocket(
    engine: "Engine", session: "Session | None", scope: Scope, receive: Any, send: Send
) -> None:
    """Serve the websocket of a session that polls, or open a session on it.

    Raises:
        Refused: the session does not get in.
    """
    await receive()
    new = session is None
    session = session or engine.open(scope, [])
    take_over = scope.get("extensions", {}).pop(TAKE_OVER, None)
    if take_over:
        take_over(DirectChannel(engine, session, new), engine.max_payload)
        return
    await send({"type": "websocket.accept"})
    await AsgiChannel(engine, session, new).run(receive, send)


class _Reader:
    """The way from a websocket to its session."""

    def __init__(self, engine: "Engine", session: "Session", new: bool) -> None:
        self._engine, self._session, self._new = engine, session, new

    def begin(self, channel: Any) -> None:
        """Begin, when packets can be written."""
        if self._new:
            self._session.channel = channel
            self._session.flush()
        else:
            asyncio.get_running_loop().call_later(
                self._engine.connect_timeout, self._end_unless_upgraded, channel
            )

    def read(self, channel: Any, data: bytes, binary: bool) -> None:
        """Take a packet."""
        session = self._session
        if session.channel is channel and not session.probing:
            session.receive(data, binary=binary)
            return
        try:
            session.upgrade(channel, data)
        except ValueError:
            channel.close(at_once=False)

    def _end_unless_upgraded(self, channel: Any) -> None:
        if self._session.channel is not channel or self._session.probing:
            channel.close(at_once=False)


class DirectChannel(WSListener):  # type: ignore[misc]
    """A websocket that was taken over from the server."""

    def __init__(self, engine: "Engine", session: "Session", new: bool) -> None:
        self._reader = _Reader(engine, session, new)
        self._engine, self._session = engine, session
        self._ws: Any = None
        self._tcp: Any = None
        self._parts: list[bytes] = []
        self._binary = False
        self._stalled: asyncio.TimerHandle | None = None

    # ---- for the session ------------------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> int:
        """Write packets; return how many bytes wait for the client."""
        self._tcp.write(
            packets[0].frame if len(packets) == 1 else b"".join([it.frame for it in packets])
        )
        return self._tcp.get_write_buffer_size() if self._stalled else 0

    def close(self, *, at_once: bool) -> None:
        """Close the websocket."""
        if at_once:
            self._tcp.abort()
        elif not self._ws.is_disconnected:
            self._ws.send_close(WSCloseCode.OK)
            self._ws.disconnect()

    def pause(self, on: bool) -> None:
        """Stop reading from the client, or go on."""
        (self._tcp.pause_reading if on else self._tcp.resume_reading)()

    # ---- for picows -----------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin."""
        self._ws, self._tcp = transport, transport.underlying_transport
        self._reader.begin(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame."""
        kind = frame.msg_type
        if (kind is TEXT or kind is BINARY) and frame.fin and not self._parts:
            self._reader.read(self, frame.get_payload_as_bytes(), kind is BINARY)
        elif kind is CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            self._other(transport, kind, frame)

    def _other(self, transport: WSTransport, kind: WSMsgType, frame: WSFrame) -> None:
        """Take a ping, a pong, or a part of a message."""
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
        if (kind is WSMsgType.CONTINUATION) != bool(self._parts):
            raise ValueError("parts of a message in disorder")
        self._binary = kind is BINARY or (self._binary and bool(self._parts))
        self._parts.append(frame.get_payload_as_bytes() or b"")
        if sum(map(len, self._parts)) > self._engine.max_payload:
            raise ValueError("a message that is too long")
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._reader.read(self, whole, self._binary)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End."""
        self.resume_writing()
        self._session.lost(self)

    def pause_writing(self) -> None:
        """Give the client some seconds to read what waits for it."""
        loop = asyncio.get_running_loop()
        self._stalled = loop.call_later(self._engine.stall_timeout, self._cut)

    def resume_writing(self) -> None:
        """Note that the client reads."""
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def _cut(self) -> None:
        self._session.evict("it did not read")
        self._tcp.abort()


class AsgiChannel:
    """A websocket by ASGI, for servers that can't hand it over."""

    def __init__(self, engine: "Engine", session: "Session", new: bool) -> None:
        self._reader = _Reader(engine, session, new)
        self._engine, self._session = engine, session
        self._queue: list[Outgoing] = []
        self._wake, self._read = asyncio.Event(), asyncio.Event()
        self._read.set()
        self._closed = False

    def write(self, packets: list[Outgoing]) -> int:
        """Write packets; return how many bytes wait for the client."""
        self._queue += packets
        self._wake.set()
        return sum(len(packet.data) for packet in self._queue)

    def close(self, *, at_once: bool) -> None:
        """Close the websocket."""
        self._closed = True
        self._wake.set()

    def pause(self, on: bool) -> None:
        """Stop reading from the client, or go on."""
        (self._read.clear if on else self._read.set)()

    async def run(self, receive: Any, send: Send) -> None:
        """Serve the websocket until it ends."""
        writer = asyncio.ensure_future(self._write_all(send))
        reader = asyncio.ensure_future(self._read_all(receive))
        self._reader.begin(self)
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
            self._session.lost(self)

    async def _read_all(self, receive: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await self._read.wait()
            binary = message.get("bytes")
            self._reader.read(self, binary or (message.get("text") or "").encode(), bool(binary))

    async def _write_all(self, send: Send) -> None:
        while self._queue or not self._closed:
            await self._wake.wait()
            self._wake.clear()
            packets, self._queue = self._queue, []
            for packet in packets:
                async with asyncio.timeout(self._engine.stall_timeout):
                    await send({"type": "websocket.send", **packet.message})
        await send({"type": "websocket.close"})


class _Taken:
    """The connection of a protocol from which it was taken."""

    def close(self) -> None:
        """Do nothing: it is another's."""


class TakeOver(WebSocketsSansIOProtocol):
    """uvicorn's protocol for websockets (`ws=`), whose connections an application may take over.

    uvicorn makes the handshake; what no application takes over goes on as before.
    """

    def handle_connect(self, event: Any) -> None:
        """Offer the connection to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][TAKE_OVER] = self._take_over

    def _take_over(self, listener: WSListener, most: int) -> None:
        key = self.request.headers["Sec-WebSocket-Key"]
        request = UPGRADE.format(key).encode()
        protocol = WSProtocol(
            None, None, False, lambda _: listener, quiet, True, None,
            False, 20, 20, WSAutoPingStrategy.PING_WHEN_IDLE, False, most, None, 2048,
        )  # fmt: skip
        tcp, self.transport = self.transport, _Taken()
        self.handshake_complete = True
        self.connections.discard(self)
        tcp.pause_reading()
        tcp.set_protocol(protocol)
        protocol.connection_made(tcp)
        buffer = protocol.get_buffer(len(request))
        buffer[: len(request)] = request
        protocol.buffer_updated(len(request))
        if not tcp.is_closing():
            tcp.resume_reading()


