"""python-socketio with bounds on the cost of a client: memory, packets, time to log in."""

import asyncio
import hmac
import inspect
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import engineio
import socketio
from engineio.async_socket import AsyncSocket
from engineio.exceptions import ContentTooLongError, EngineIOError, SocketIsClosedError
from engineio.packet import CLOSE, MESSAGE, PONG, Packet
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT

from nochat.engine import ConnectionRefusedError
from nochat.protocol import reasons
from nochat.runtime.background import Background
from nochat.runtime.rate_limits import (
    App,
    ConcurrencyLimit,
    Limit,
    Receive,
    Scope,
    ThrottledLog,
    address,
    refuse,
)
from nochat.services.gateway import bounds

log = logging.getLogger(__name__)

PACKET = 100  # characters that a packet counts for beyond its own size
SEPARATOR = "\x1e"  # between the packets of a request of long polling


class Backlog(asyncio.Queue[Any]):
    """The packets that wait for one client, with their total length."""

    length = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.length += _length(item)

    def _get(self) -> Any:
        item = super()._get()
        self.length -= _length(item)
        return item

    def empty_out(self) -> None:
        """Discard all waiting packets."""
        while not self.empty():
            self.get_nowait()
            self.task_done()


def _length(packet: Any) -> int:
    data = getattr(packet, "data", None)
    return PACKET + (len(data) if isinstance(data, str | bytes) else 0)


class Socket(AsyncSocket):  # type: ignore[misc]
    """One client, disconnected for unexpected or too many packets.

    Attributes:
        payer: whom its packets count for: an address, or a user after the log-in.
        session: the session's cookie of the user who opened it; "" for none, which is refused.
        entered: whether it has sent Socket.IO's CONNECT, which is allowed once.
    """

    payer = ""
    host = ""
    session = ""
    entered = False
    _late: Callable[[], None] = staticmethod(lambda: None)

    def expect(self, seconds: float | None) -> None:
        """Disconnect the client after some seconds, unless called again; None cancels that."""
        self._late()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(seconds, self.server.evict_later, self).cancel

    async def receive(self, pkt: Packet) -> None:
        """Handle a packet."""
        if self.closed:
            raise SocketIsClosedError
        if self.server.packets.wait(self.payer):
            await self.server.evict(self, "too many packets")
        elif pkt.binary or pkt.packet_type not in (CLOSE, MESSAGE, PONG):
            await self.server.evict(self, "an unexpected packet")
        else:
            await super().receive(pkt)
        if self.closed:
            raise SocketIsClosedError

    async def close(
        self, wait: bool = True, abort: bool = False, reason: str | None = None
    ) -> None:
        """Close the connection; if at once, end also the task that writes, or the waiting poll."""
        if abort:
            self.queue.put_nowait(None)
        await super().close(wait, abort, reason)

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Handle the packets of a long-polling request."""
        length = int(environ.get("CONTENT_LENGTH", "0"))
        if length > self.server.max_http_buffer_size:
            raise ContentTooLongError
        body = await environ["wsgi.input"].read(length)
        try:
            for encoded in body.decode().split(SEPARATOR) if body else ():
                await self.receive(Packet(encoded_packet=encoded))
        except (ValueError, RecursionError):
            await self.server.evict(self, "an unreadable packet")
            raise EngineIOError from None

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> Any:
        if self.upgrading or self.upgraded:
            return self.server._bad_request("Unexpected websocket")
        return await super()._upgrade_websocket(environ)

    async def _websocket_handler(self, ws: Any) -> None:
        wait = ws.wait

        async def wait_a_while() -> Any:
            # Engine.IO would wait forever for an upgrade to continue.
            async with asyncio.timeout(bounds.ENTERING if self.upgrading else None):
                return await wait()

        ws.wait = wait_a_while
        try:
            await super()._websocket_handler(ws)
        except Exception:
            if self.upgraded:
                await self.server.evict(self, "an unreadable packet")
            raise
        finally:
            self.upgrading = False


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """An Engine.IO server that disconnects a client with a backlog above `MOST_BACKLOG`.

    Args:
        packets: the limit on a client's packets.
        concurrency: the limit on open sockets of an address.
        session: returns the session's cookie of a request, or "".
    """

    def __init__(
        self,
        *args: Any,
        packets: Limit,
        concurrency: ConcurrencyLimit,
        session: Callable[[Scope], str],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.packets, self._concurrency, self._session = packets, concurrency, session
        self._throttled_log = ThrottledLog()
        self._dropping: set[str] = set()
        self._background = Background(SocketIsClosedError)  # the client left before a ping was sent

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Start and own a task: Engine.IO and Socket.IO keep no references to theirs."""
        return self._background.start(target(*args, **kwargs), f"socket.io: {target.__name__}")

    def create_queue(self, *_: Any, **__: Any) -> Backlog:
        """Return a client's queue, for Engine.IO."""
        return Backlog()

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet, or disconnect a client whose backlog is full."""
        socket = self.sockets.get(sid)
        if sid in self._dropping:
            return
        if socket and socket.queue.length > bounds.MOST_BACKLOG:
            # In the background: the fan-out must not wait for this client's end.
            self._dropping.add(sid)
            self._background.start(self._drop(sid, socket))
            return
        await super().send_packet(sid, pkt)

    async def evict(self, socket: Socket, reason: str) -> None:
        """Close a client's connection at once, and discard its waiting packets."""
        if not socket.closed:
            self._throttled_log.say(f"a socket is closed: {reason}", socket.payer)
            socket.queue.empty_out()
            await socket.close(wait=False, abort=True, reason=reason)

    def evict_later(self, socket: Socket) -> None:
        """Close a client's connection in the background, as a timer's callback."""
        self._background.start(self.evict(socket, "it has not logged in"))

    async def _trigger_event(self, event: str, *args: Any, **options: Any) -> Any:
        if event == "connect" and not self._enter(*args):
            return reasons.socket_address().answer
        if event == "disconnect":
            socket = self.sockets[args[0]]
            socket.expect(None)
            self._concurrency.leave(socket.host)
        return await super()._trigger_event(event, *args, **options)

    def _enter(self, sid: str, environ: dict[str, Any]) -> bool:
        host = address(environ["asgi.scope"])
        if not self._concurrency.enter(host):
            self._throttled_log.say("an address has reached its limit of sockets", host)
            return False
        socket = self.sockets[sid]
        socket.__class__ = Socket  # Engine.IO has no option for another class
        socket.host = socket.payer = host
        socket.session = self._session(environ["asgi.scope"])
        socket.expect(bounds.ENTERING)
        return True

    def is_stolen(self, sid: str, scope: Scope) -> bool:
        """Return whether a request for a socket comes from another client than its own.

        The socket's id alone proves nothing: it is part of URLs, which logs may contain.
        """
        its = getattr(self.sockets.get(sid), "session", "")
        given = self._session(scope)
        return bool(its) and not hmac.compare_digest(its.encode(), given.encode())

    def _unauthorized(self, answer: Any = None) -> dict[str, Any]:
        # Called for a refused client, which has reached the limit of sockets.
        return {**super()._unauthorized(answer), "status": "429 TOO MANY REQUESTS"}

    def _bad_request(self, message: str | None = None) -> dict[str, Any]:
        # The base method encodes any answer, with the type of text.
        answer = reasons.socket_protocol(message or "a bad request").answer
        return {**super()._bad_request(answer), "headers": [("Content-Type", "application/json")]}

    async def disconnect(self, sid: str | None = None) -> None:
        """Disconnect a client that violated the protocol, for Engine.IO."""
        # Engine.IO's own method waits until the client has read its backlog, maybe forever.
        if sid and (socket := self.sockets.get(sid)):
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
            self.sockets.pop(sid, None)

    async def shutdown(self) -> None:
        """Close every connection, which Engine.IO's own method leaves to the web server."""
        for socket in list(self.sockets.values()):
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
            socket.queue.put_nowait(None)  # ends the task that writes
        if self.service_task_handle:
            await super().shutdown()

    async def _drop(self, sid: str, socket: Any) -> None:
        log.warning("a slow client is disconnected: %d characters wait for it", socket.queue.length)
        try:
            await self.evict(socket, "it did not read")
        finally:
            self.sockets.pop(sid, None)
            self._dropping.discard(sid)


class Application:
    """The ASGI application, which logs a line for a client's unreadable packets."""

    def __init__(self, server: "Server") -> None:
        self._engine, self._app = server.eio, socketio.ASGIApp(server)

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """Serve an ASGI request."""
        query = parse_qs(scope["query_string"].decode("latin1"), keep_blank_values=True)
        reason = None
        if "j" in query:
            # JSONP: scripts for obsolete browsers, which another site's page could load.
            reason = reasons.socket_jsonp()
        elif any(self._engine.is_stolen(sid, scope) for sid in query.get("sid", ())):
            reason = reasons.socket_stolen()
        if reason:
            await receive()
            return await refuse(scope, send, 400, reason)
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log.warning("a connection is closed, as its data can't be read: %r", error)
            with suppress(RuntimeError):  # it is closed, or answered, already
                await refuse(scope, send, 500, reasons.failed(), code=1007)


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """A Socket.IO server on that engine, which accepts only packets of the chat's clients."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.app = Application(self)
        self._under_way: Counter[str] = Counter()  # events, by client

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """Register the handler of an event."""

        async def handle(*arguments: Any) -> Any:
            try:
                result = handler(*arguments)
                return await result if inspect.isawaitable(result) else result
            except ConnectionRefusedError as refused:
                raise socketio.exceptions.ConnectionRefusedError(*refused.args) from None

        super().on(event, handle)

    def enter(self, sid: str, room: str) -> None:
        """Add a socket to a room."""
        self.manager.basic_enter_room(sid, "/", room)

    def leave(self, sid: str, room: str) -> None:
        """Remove a socket from a room."""
        self.manager.basic_leave_room(sid, "/", room)

    def members(self, room: str) -> list[str]:
        """List the sockets in a room."""
        return [sid for sid, _ in self.manager.get_participants("/", room)]

    def charge(self, sid: str, user: str) -> None:
        """Count a socket's packets for a user from now on."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, "/"))
        if socket:
            socket.payer = f"user {user}"

    async def disconnect(self, sid: str, *args: Any, **options: Any) -> None:
        """Disconnect a socket; if its client does not close the connection, the server does."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        await super().disconnect(sid, *args, **options)
        self._expect(eio_sid)

    def _expect(self, eio_sid: str | None) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket and not socket.closed and not socket.closing:
            socket.expect(bounds.ENTERING)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        socket = self.eio.sockets[eio_sid]
        try:
            packet = self.packet_class(encoded_packet=data)
        except Exception:  # the parser raises many kinds
            await self.eio.evict(socket, "an unreadable packet")
            return
        its_own = not packet.attachment_count and packet.namespace in (None, "/")
        match packet.packet_type if its_own else None:
            case type_ if type_ == CONNECT and not socket.entered:
                await self._enter(eio_sid, socket, packet.data)
            case type_ if type_ == DISCONNECT:
                await self._handle_disconnect(eio_sid, "/", self.reason.CLIENT_DISCONNECT)
                self._expect(eio_sid)
            case type_ if type_ == EVENT and self._is_known(packet.data):
                await self._handle_event(eio_sid, "/", packet.id, packet.data)
            case _:
                await self.eio.evict(socket, "an unexpected packet")

    async def _enter(self, eio_sid: str, socket: Socket, auth: Any) -> None:
        socket.entered = True
        socket.expect(None)
        await self._handle_connect(eio_sid, "/", auth)
        if not self.manager.is_connected(self.manager.sid_from_eio_sid(eio_sid, "/"), "/"):
            self._expect(eio_sid)

    def _is_known(self, data: Any) -> bool:
        # A client must not call the server's own handlers, which have reserved names.
        name = data[0] if isinstance(data, list) and data else None
        known = isinstance(name, str) and name in self.handlers["/"]
        return known and name not in self.reserved_events

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: Any) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return
        handling = self._handle_event_internal, self, sid, eio_sid, data, namespace, id
        self._under_way[eio_sid] += 1
        if self._under_way[eio_sid] < bounds.MOST_AT_ONCE:
            self.start_background_task(*handling)
        else:  # The client is not read meanwhile.
            await handling[0](*handling[1:])

    async def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: Any, namespace: str, id: int | None
    ) -> None:
        try:
            await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)
        except (
            Exception
        ):  # a handler's own are answered by it; this is an answer that can't be sent
            log.exception("%s was not answered", data[0])
            answer = reasons.failed().answer | {"retry": False}
            if id is not None:
                ack = self.packet_class(ACK, namespace=namespace, id=id, data=[answer])
                await self._send_packet(eio_sid, ack)
        finally:
            self._under_way[eio_sid] -= 1
            if not self._under_way[eio_sid]:
                del self._under_way[eio_sid]
