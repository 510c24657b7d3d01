"""Socket.IO 5 on the engine: events, acknowledgements, users' sessions.

The names are python-socketio's, so that either server can replace the other.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, overload

from nochat.engine import packets
from nochat.engine.engine import EngineIO
from nochat.engine.guard import Guard
from nochat.engine.namespace import Handler, Namespace, Socket
from nochat.engine.packets import Packet
from nochat.engine.session import EngineSession

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Handler)
RESERVED = frozenset({"connect", "disconnect", "connect_error"})


class ConnectionRefusedError(Exception):
    """Raised by a handler of `connect` with a message, and optionally data, for the client."""


class Server(EngineIO):
    """A Socket.IO server; an instance is the ASGI application."""

    def __init__(self, guard: Guard | None = None, **options: Any) -> None:
        super().__init__(guard, **options)
        self.namespaces = {"/": Namespace()}
        self._tasks: set[asyncio.Task[Any]] = set()

    # ---- for applications -----------------------------------------------------------------------

    @overload
    def on(self, event: str, handler: None = None, namespace: str = "/") -> Callable[[T], T]: ...

    @overload
    def on(self, event: str, handler: T, namespace: str = "/") -> T: ...

    def on(self, event: str, handler: Handler | None = None, namespace: str = "/") -> Any:
        """Register an event's handler, also as a decorator; `"*"` gets events without a handler."""

        def register(handler: Handler) -> Handler:
            known = self.namespaces.setdefault(namespace, Namespace()).handlers
            known[event] = _bounded(handler) if event in RESERVED else handler
            return handler

        return register(handler) if handler else register

    def send_event(
        self,
        event: str,
        data: Any = None,
        room: str | None = None,
        skip_sid: str | Iterable[str] = (),
        namespace: str = "/",
    ) -> None:
        """Send an event to all in a room, to one socket by its id, or to everybody.

        Raises:
            TypeError: the data can't be encoded as JSON.
        """
        skip = {skip_sid} if isinstance(skip_sid, str) else set(skip_sid)
        sessions = self.namespaces[namespace].sessions(room, skip)
        if sessions:
            encoded = packets.encode(packets.EVENT, namespace, [event, *_arguments(data)])
            self.outbox.put(sessions, encoded)

    async def emit(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        room: str | None = None,
        skip_sid: str | Iterable[str] = (),
        namespace: str = "/",
        callback: Handler | None = None,
    ) -> None:
        """Send an event; the callback gets the data of a single client's acknowledgement."""
        to = to or room
        if not callback:
            return self.send_event(event, data, to, skip_sid, namespace)
        if not (socket := self.namespaces[namespace].sockets.get(to or "")):
            raise ValueError("a callback needs the id of one socket")
        socket.last_ack += 1
        socket.acks[socket.last_ack] = callback
        sent = [event, *_arguments(data)]
        encoded = packets.encode(packets.EVENT, namespace, sent, socket.last_ack)
        self.outbox.put((socket.way,), encoded)

    async def call(
        self, event: str, data: Any = None, to: str = "", namespace: str = "/", timeout: float = 60
    ) -> Any:
        """Send an event to one client, and return the data of its acknowledgement.

        Raises:
            TimeoutError: the client does not answer in time.
        """
        answer = asyncio.get_running_loop().create_future()

        def done(*data: Any) -> None:
            if not answer.done():
                answer.set_result(data)

        await self.emit(event, data, to=to, namespace=namespace, callback=done)
        data = await asyncio.wait_for(answer, timeout)
        return data[0] if len(data) == 1 else data or None

    async def enter_room(self, sid: str, room: str, namespace: str = "/") -> None:
        """Add a socket to a room."""
        self.namespaces[namespace].enter(sid, room)

    async def leave_room(self, sid: str, room: str, namespace: str = "/") -> None:
        """Remove a socket from a room."""
        self.namespaces[namespace].leave(sid, room)

    async def close_room(self, room: str, namespace: str = "/") -> None:
        """Remove all sockets from a room."""
        for sid in list(self.namespaces[namespace].rooms.get(room, ())):
            self.namespaces[namespace].leave(sid, room)

    def rooms(self, sid: str, namespace: str = "/") -> list[str]:
        """List the rooms of a socket; its own id is the first."""
        return [sid, *filter(None, self.namespaces[namespace].sockets[sid].rooms)]

    async def get_session(self, sid: str, namespace: str = "/") -> dict[str, Any]:
        """Return a socket's session data."""
        return self.namespaces[namespace].sockets[sid].data or {}

    async def save_session(self, sid: str, data: dict[str, Any], namespace: str = "/") -> None:
        """Store a socket's session data for as long as it is connected."""
        self.namespaces[namespace].sockets[sid].data = data

    @asynccontextmanager
    async def session(self, sid: str, namespace: str = "/") -> AsyncIterator[dict[str, Any]]:
        """Yield a socket's session data, and save it after the block."""
        data = await self.get_session(sid, namespace)
        yield data
        await self.save_session(sid, data, namespace)

    async def disconnect(self, sid: str, namespace: str = "/") -> None:
        """Disconnect a socket; if its client does not close the connection, the server does."""
        if socket := self.namespaces[namespace].sockets.get(sid):
            socket.session.dismissed = True
            socket.session.send(packets.encode(packets.DISCONNECT, namespace))
            self._leave(socket, "server disconnect")

    async def shutdown(self) -> None:
        """Cancel the running handlers, and close every session."""
        for task in list(self._tasks):
            task.cancel()
        await super().shutdown()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- for the engine -------------------------------------------------------------------------

    def on_message(self, session: EngineSession, data: bytes, binary: bool) -> None:
        """Handle an Engine.IO message: a Socket.IO packet or an attachment."""
        if binary or session.partial:
            if not (binary and session.partial):
                raise ValueError("an attachment without its packet, or the other way round")
            packet, count, parts = session.partial
            parts.append(data)
            if len(parts) < count:
                return
            session.partial = None
            whole = packets.assemble(packet.data, parts)
            packet = packet._replace(type=packet.type - 3, data=whole)
        else:
            packet, count = packets.decode(data)
            if count:
                session.partial = packet, count, []
                return
        self._handle(session, packet)

    def _handle(self, session: EngineSession, packet: Packet) -> None:
        socket = session.sockets.get(packet.namespace)
        if packet.type == packets.EVENT and socket:
            if socket.connected:
                self._event(socket, packet)
            else:
                socket.early.append(packet)
        elif packet.type == packets.CONNECT:
            if socket:
                raise ValueError("it is connected already")
            self._connect(session, packet)
        elif not socket:
            if not session.dismissed:
                raise ValueError("a packet for a namespace that it has not connected to")
        elif packet.type == packets.ACK:
            if handler := socket.acks.pop(packet.id or 0, None):
                self._run(socket, handler, packet.data)
            else:
                self.guard.unknown(session, "an acknowledgement")
        elif packet.type == packets.DISCONNECT:
            self._leave(socket, "client disconnect")
        else:
            raise ValueError("a packet that only servers send")

    def _connect(self, session: EngineSession, packet: Packet) -> None:
        if not (namespace := self.namespaces.get(packet.namespace)):
            self.guard.unknown(session, "a namespace")
            return self._refuse(session, packet.namespace, {"message": "Invalid namespace"})
        session.expect(None)
        socket = session.sockets[packet.namespace] = Socket(session, packet.namespace)
        namespace.add(socket)
        if handler := namespace.handlers.get("connect"):
            environ = {"asgi.scope": session.scope}
            result = _call(handler, [socket.sid, environ, packet.data])
            if inspect.iscoroutine(result):
                session.count(+self.most_at_once)  # pauses reading meanwhile
                self._start(self._entering(socket, result))
                return
            self._entered(socket, result)
        else:
            self._entered(socket, None)

    async def _entering(self, socket: Socket, handler: Coroutine[Any, Any, Any]) -> None:
        try:
            self._entered(socket, await _outcome(handler))
        except ValueError as error:
            socket.session.evict(str(error))
        finally:
            socket.session.count(-self.most_at_once)

    def _entered(self, socket: Socket, result: Any) -> None:
        session = socket.session
        if session.sockets.get(socket.namespace) is not socket:  # it has disconnected meanwhile
            return
        if result is False or isinstance(result, Exception):
            self._drop(socket)
            args: tuple[Any, ...] = ()
            if isinstance(result, ConnectionRefusedError):
                args = result.args
            elif result:
                log.error("a handler of connect failed", exc_info=result)
            told: dict[str, Any] = {"message": args[0] if args else "Connection refused"}
            if len(args) > 1:
                told["data"] = args[1]
            return self._refuse(session, socket.namespace, told)
        if len(session.sockets) == len(self.namespaces):
            session.scope = None  # the request is not needed any more
        self.namespaces[socket.namespace].connect(socket)
        early, socket.early = socket.early, []
        for packet in early:
            self._event(socket, packet)

    def _refuse(self, session: EngineSession, namespace: str, told: dict[str, Any]) -> None:
        session.send(packets.encode(packets.CONNECT_ERROR, namespace, told))
        if not session.sockets:
            session.expect(self.connect_timeout, "it did not connect")

    def _event(self, socket: Socket, packet: Packet) -> None:
        name, *arguments = packet.data
        handlers = self.namespaces[socket.namespace].handlers
        handler = handlers.get(name) if isinstance(name, str) and name not in RESERVED else None
        if not handler:
            if not (handler := handlers.get("*")):
                return self.guard.unknown(socket.session, "an event")
            return self._run(socket, handler, [name, socket.sid, *arguments], packet.id)
        self._run(socket, handler, [socket.sid, *arguments], packet.id)

    def _run(
        self, socket: Socket, handler: Handler, arguments: list[Any], id: int | None = None
    ) -> None:
        result = _call(handler, arguments)
        if inspect.iscoroutine(result):
            result = self._start(result)
        if isinstance(result, asyncio.Future):
            socket.session.count(+1)
            result.add_done_callback(partial(self._finish, socket, id))
        else:
            self._answer(socket, id, result)

    def _finish(self, socket: Socket, id: int | None, future: asyncio.Future[Any]) -> None:
        socket.session.count(-1)
        if not future.cancelled():
            error = future.exception()
            self._answer(socket, id, error if error else future.result())

    def _answer(self, socket: Socket, id: int | None, result: Any) -> None:
        try:
            if isinstance(result, BaseException):
                raise result
            if id is not None:
                self._acknowledge(socket, id, result)
        except Exception as error:
            log.exception("a handler failed")
            if id is not None and (told := self.guard.failed(error)) is not None:
                self._acknowledge(socket, id, told)

    def _acknowledge(self, socket: Socket, id: int, result: Any) -> None:
        if not socket.session.closed:
            data = _arguments(result)
            socket.session.send(packets.encode(packets.ACK, socket.namespace, data, id))

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- the end --------------------------------------------------------------------------------

    def on_close(self, session: EngineSession, reason: str) -> None:
        """Disconnect the sockets of a session that is over."""
        for socket in list(session.sockets.values()):
            self._leave(socket, reason)

    def _leave(self, socket: Socket, reason: str) -> None:
        self._drop(socket)
        handler = self.namespaces[socket.namespace].handlers.get("disconnect")
        if handler and socket.connected:
            self._run(socket, handler, [socket.sid, reason])
        if not socket.session.closed and not socket.session.sockets:
            socket.session.expect(self.connect_timeout, "it did not close the connection")

    def _drop(self, socket: Socket) -> None:
        del socket.session.sockets[socket.namespace]
        self.namespaces[socket.namespace].remove(socket)


def _bounded(handler: Handler) -> Handler:
    """Wrap a handler so that it gets only as many arguments as it takes."""
    kinds = [parameter.kind for parameter in inspect.signature(handler).parameters.values()]
    wanted = None if inspect.Parameter.VAR_POSITIONAL in kinds else len(kinds)
    return lambda *arguments: handler(*arguments[:wanted])


def _call(handler: Handler, arguments: list[Any]) -> Any:
    try:
        return handler(*arguments)
    except Exception as error:
        return error


async def _outcome(handler: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await handler
    except Exception as error:
        return error


def _arguments(data: Any) -> list[Any]:
    """Return data as an event's arguments: a tuple makes several, None makes none."""
    return list(data) if isinstance(data, tuple) else [] if data is None else [data]
