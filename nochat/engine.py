"""socket.io with a bound on what a client may cost that does not read."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import engineio
import socketio
from engineio.exceptions import SocketIsClosedError
from socketio.packet import ACK

from nochat.background import Background
from nochat.limits import App, Receive, Scope, refuse

log = logging.getLogger(__name__)

MOST_BACKLOG = 2**20  # characters that may wait for a client before it is dropped


class Backlog(asyncio.Queue[Any]):
    """The packets that wait for one client, and how long they are together."""

    length = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.length += _length(item)

    def _get(self) -> Any:
        item = super()._get()
        self.length -= _length(item)
        return item

    def empty_out(self) -> None:
        """Forget everything that waits."""
        while not self.empty():
            self.get_nowait()
            self.task_done()


def _length(packet: Any) -> int:
    data = getattr(packet, "data", None)
    return len(data) if isinstance(data, str | bytes) else 0


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """Drops a client when more waits for it than `MOST_BACKLOG`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dropping: set[str] = set()
        self._background = Background(SocketIsClosedError)  # it went while we had a ping for it

    def start_background_task(self, target: Any, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Called by Engine.IO and Socket.IO, which look after none of their tasks."""
        return self._background.start(target(*args, **kwargs), f"socket.io: {target.__name__}")

    def create_queue(self, *_: Any, **__: Any) -> Backlog:
        """Called by Engine.IO for each client."""
        return Backlog()

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send, unless the client has too much before it that it does not take."""
        socket = self.sockets.get(sid)
        if sid in self._dropping:
            return
        if socket and socket.queue.length > MOST_BACKLOG:
            # In the background: whoever sends to many must not wait for this one's end.
            self._dropping.add(sid)
            self._background.start(self._drop(sid, socket))
            return
        await super().send_packet(sid, pkt)

    async def disconnect(self, sid: str | None = None) -> None:
        """Called by Engine.IO for a client that broke the protocol."""
        # Engine.IO's own waits until the client has taken all that waits for it: for ever, if it
        # does not.
        if sid and (socket := self.sockets.get(sid)):
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
            self.sockets.pop(sid, None)

    async def _drop(self, sid: str, socket: Any) -> None:
        log.warning("a client is dropped that does not read: %d wait", socket.queue.length)
        try:
            socket.queue.empty_out()
            socket.queue.put_nowait(None)  # ends the task that writes
            await socket.close(wait=False, abort=True, reason="it did not read")
        finally:
            self.sockets.pop(sid, None)
            self._dropping.discard(sid)


class Application:
    """The ASGI application: what a client sends that can't be read costs a line in the log."""

    def __init__(self, server: "Server") -> None:
        self._app = socketio.ASGIApp(server)

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """ASGI."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log.warning("a connection ends as it can't be read: %r", error)
            with suppress(RuntimeError):  # it is closed, or answered, already
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1007})
                else:
                    await refuse(send, 500, "the chat failed at this; its log says why")


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """socket.io on that engine."""

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Called for each packet; of one that can't be read, nobody looks at the error."""
        try:
            await super()._handle_eio_message(eio_sid, data)
        except ValueError as error:  # no JSON, a number of a thousand digits
            log.warning("a packet can't be read: %s", str(error)[:200])
            await self.eio.disconnect(eio_sid)

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: Any) -> None:
        # A client must not call what the server itself calls by these names.
        if data[0] not in self.reserved_events:
            await super()._handle_event(eio_sid, namespace, id, data)

    async def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: Any, namespace: str, id: int | None
    ) -> None:
        try:
            await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)
        except (
            Exception
        ):  # a handler's own are answered by it; this is an answer that can't be sent
            log.exception("%s was not answered", data[0])
            answer = {"error": "the chat failed at this; its log says why", "retry": False}
            if id is not None:
                ack = self.packet_class(ACK, namespace=namespace, id=id, data=[answer])
                await self._send_packet(eio_sid, ack)
