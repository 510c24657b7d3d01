"""HTTP: a port, and an ASGI application that uvicorn serves on it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nochat.errors import NochatError
from nochat.settings import Settings

App = Callable[..., Any]

SEND_BUFFER = 2**17  # bytes that the system may hold for a client (Linux takes it twice)
STALLED = 15.0  # seconds that a client may leave a websocket's buffer full


class Impatient(WebSocketsSansIOProtocol):
    """A websocket that is cut off when its client has read nothing for `STALLED` seconds."""

    _cut: Callable[[], None] = staticmethod(lambda: None)

    def pause_writing(self) -> None:
        """Called by the transport: its buffer is full."""
        super().pause_writing()
        self._cut = self.loop.call_later(STALLED, self.transport.abort).cancel

    def resume_writing(self) -> None:
        """Called by the transport: there is room again."""
        self._cut()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport, at the end."""
        self._cut()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """uvicorn, except that the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield


@asynccontextmanager
async def serving(app: App, listening: socket.socket, settings: Settings) -> AsyncIterator[None]:
    """Serve an application until the block ends."""
    config = uvicorn.Config(
        app,
        proxy_headers=True,
        forwarded_allow_ips=settings.proxies,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws=Impatient,
        ws_max_size=settings.max_frame,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


def listen(place: tuple[str, int], variable: str) -> socket.socket:
    """A listening socket.

    Args:
        place: address and port; port 0 takes a free one.
        variable: the setting that names the port.

    Raises:
        NochatError: it can't be had; says why, and which setting to change.
    """
    try:
        listening = socket.create_server(place, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise NochatError(
            f"can't listen on {place[0]}:{place[1]} ({reason}); stop what uses it, or set "
            f"{variable} to another, or 0 for any"
        ) from None
    # Or the system would hold megabytes for each client that does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return listening
