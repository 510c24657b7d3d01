"""The protocol for uvicorn whose websockets an application may take over."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from picows import WSAutoPingStrategy, WSListener, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from uvicorn.protocols.utils import ClientDisconnected, get_local_addr, get_remote_addr, is_ssl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nochat.engine.guard import Scope
from nochat.engine.upgrade import Upgrade
from nochat.engine.websocket import TAKE_OVER, quiet

log = logging.getLogger(__name__)

NOBODY = asyncio.Protocol()
UPGRADE = (
    "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n"
)
ACCEPTED = (
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)


class Accepted:
    """The response to a handshake, for picows: building its own takes several times as long."""

    __slots__ = ("headers",)
    status = HTTPStatus.SWITCHING_PROTOCOLS

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def to_bytes(self) -> bytearray:
        """Return the response as it is sent."""
        return bytearray(ACCEPTED.format(self.headers["Sec-WebSocket-Accept"]).encode())


class _Taken:
    """The transport of a protocol whose connection was taken over."""

    def close(self) -> None:
        """Do nothing: another protocol owns the connection."""


class TakeOver(WebSocketsSansIOProtocol):
    """uvicorn's protocol for websockets (`ws=`), whose connections an application can take over.

    A usual handshake is parsed once, here, and answered when the application takes the connection
    over. uvicorn's protocol is initialized, and its parser reads the request again, only if the
    handshake is unusual, or if the application refuses the websocket or serves it by ASGI.
    """

    def __init__(
        self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._made_of = config, server_state, app_state, _loop
        self.config, self.app_state = config, app_state
        self.app = config.loaded_app
        self.loop = _loop or asyncio.get_running_loop()
        self.connections, self.tasks = server_state.connections, server_state.tasks
        self.transport: Any = None
        self.client: Any = None
        self.server: Any = None
        self._request, self._key = b"", ""
        self._is_stock = False  # whether uvicorn's protocol is initialized
        self._began = self._told = False  # whether the application runs, and has its first event
        self._lost: tuple[Exception | None] | None = None

    # ---- for uvicorn ----------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.connections.add(self)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse the handshake; uvicorn handles everything else that arrives."""
        if self._is_stock:
            super().data_received(data)
        elif self._request:
            self._request += data
        elif upgrade := Upgrade.read(data):
            self.offer(upgrade, data)
        else:
            self._become_stock()
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._is_stock:
            return super().connection_lost(exc)
        self._lost = (exc,)
        self.connections.discard(self)

    def shutdown(self) -> None:
        """Close the connection, as the server shuts down."""
        self._become_stock()
        super().shutdown()

    def pause_writing(self) -> None:
        """Pause writing."""
        if self._is_stock:
            super().pause_writing()

    def resume_writing(self) -> None:
        """Resume writing."""
        if self._is_stock:
            super().resume_writing()

    # ---- the application ------------------------------------------------------------------------

    def offer(self, upgrade: Upgrade, request: bytes) -> None:
        """Run the application for a parsed request, and offer it the connection."""
        self._request, self._key, self._began = request, upgrade.key, True
        task = self.loop.create_task(self._run(self._scope(upgrade)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _scope(self, upgrade: Upgrade) -> Scope:
        path, _, query = upgrade.target.partition(b"?")
        root = self.config.root_path
        offered = [value for name, value in upgrade.headers if name == b"sec-websocket-protocol"]
        return {
            "type": "websocket",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": self.server or get_local_addr(self.transport),
            "client": self.client or get_remote_addr(self.transport),
            "root_path": root,
            "path": root + unquote(path.decode()),
            "raw_path": root.encode() + path,
            "query_string": query,
            "headers": upgrade.headers,
            "subprotocols": [
                one.strip() for some in offered for one in some.decode("latin1").split(",")
            ],
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}, TAKE_OVER: self._take_over},
        }

    async def _run(self, scope: Scope) -> None:
        error: BaseException | None = None
        result = None
        try:
            result = await self.app(scope, self.receive, self.send)
        except BaseException as raised:
            error = raised
        if isinstance(self.transport, _Taken):
            if error:
                log.error("an application that took a websocket over failed", exc_info=error)
            return

        async def ended(*_: object) -> Any:
            if error:
                raise error
            return result

        self._become_stock()  # it answers a client whose application returns or fails early
        self.app = ended
        await super().run_asgi()

    async def run_asgi(self) -> None:
        """Run the application, unless it is running."""
        if not self._began:
            await super().run_asgi()

    async def receive(self) -> Any:
        """Return the application's next event; the first needs no protocol of uvicorn's."""
        if self._began and not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        self._become_stock()
        return await super().receive()

    async def send(self, message: Any) -> None:
        """Send an ASGI message of the application."""
        self._become_stock()
        await super().send(message)

    def _become_stock(self) -> None:
        """Initialize uvicorn's protocol, and bring it to the same state."""
        if self._is_stock:
            return
        self._is_stock, transport = True, self.transport
        super().__init__(*self._made_of)
        super().connection_made(transport)
        if self._request:
            super().data_received(self._request)
            if self._told and not self.queue.empty():
                self.queue.get_nowait()
        if self._lost:
            super().connection_lost(*self._lost)

    # ---- the take-over --------------------------------------------------------------------------

    def handle_connect(self, event: Any) -> None:
        """Offer the connection to the application after uvicorn has parsed the handshake."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self._key = event.headers["Sec-WebSocket-Key"]
            extensions: dict[Any, Any] = self.scope["extensions"]
            extensions[TAKE_OVER] = self._take_over

    def _take_over(self, listener: WSListener, most: int) -> None:
        if self._lost:
            raise ClientDisconnected
        accepted = WSUpgradeResponseWithListener(Accepted(), listener)  # type: ignore[arg-type]
        request = UPGRADE.format(self._key).encode()
        protocol = WSProtocol(
            None, None, False, lambda _: accepted, quiet, True, None,
            False, 20, 20, WSAutoPingStrategy.PING_WHEN_IDLE, False, most, None, 2048,
        )  # fmt: skip
        tcp: asyncio.Transport = self.transport
        self.transport = _Taken()
        self.handshake_complete = True
        self.connections.discard(self)
        tcp.pause_reading()
        tcp.set_protocol(NOBODY)  # uvloop holds the last one that was no buffered protocol
        tcp.set_protocol(protocol)
        protocol.connection_made(tcp)
        buffer = protocol.get_buffer(len(request))
        buffer[: len(request)] = request
        protocol.buffer_updated(len(request))
        if not tcp.is_closing():
            tcp.resume_reading()
