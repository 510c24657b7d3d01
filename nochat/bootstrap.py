"""The wiring, and the only place of it: which services run in this process, and on which bus."""

import asyncio
import importlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nochat.bus import Bus, connect
from nochat.errors import NochatError, Unavailable
from nochat.limits import Limit, Turnstile
from nochat.service import Context, Service
from nochat.settings import OFF, Settings
from nochat.watch import reporting

log = logging.getLogger(__name__)

# In the order in which they are started: each may need those before it.
NAMES = ("users", "activity", "notifications", "controller", "gateway", "web")

# Those that run only where the settings name what they need: a queue that nobody consumes fills.
OPTIONAL: dict[str, Callable[[Settings], bool]] = {
    "replica": lambda settings: settings.replica_url not in OFF,
    "log_shipper": lambda settings: bool(settings.logz_token),
}

SERVED = ("web", "gateway")  # those that have an HTTP application

T = TypeVar("T")
App = Callable[..., Any]


def names(settings: Settings) -> list[str]:
    """The services that make up the chat, as the settings want it."""
    return [*NAMES, *(name for name, wanted in OPTIONAL.items() if wanted(settings))]


def services(names: Iterable[str] = NAMES) -> list[Service]:
    """The services of these names.

    Raises:
        NochatError: there is none of that name.
    """
    names, known = list(names), [*NAMES, *OPTIONAL]
    for name in names:
        if name not in known:
            raise NochatError(f"there is no service {name!r}; there are: {', '.join(known)}")
    return [importlib.import_module(f"nochat.services.{name}").service for name in names]


@asynccontextmanager
async def started(wanted: Sequence[Service], settings: Settings) -> AsyncIterator[str]:
    """Run services until the block ends; gives the address of what they serve, if they do.

    Raises:
        NochatError: a port, the bus or a store can't be used; says which, and what to do.
    """
    async with AsyncExitStack() as stack:
        # The port first: if it is taken, whoever waits should hear of it at once.
        listening = _listen_for(wanted, settings)
        if listening:
            stack.enter_context(listening)
        buses: dict[str, Bus | None] = dict.fromkeys(service.name for service in wanted)
        await stack.enter_async_context(_operated(buses, settings))
        contexts: dict[str, Context] = {}
        for service in wanted:
            contexts[service.name] = await _start(service, settings, stack)
            buses[service.name] = contexts[service.name].bus
        if listening:
            apps = {name: contexts[name].resource.app for name in SERVED if name in contexts}
            limit = Limit(settings.address_rate, 10)
            app = Turnstile(_by_path(apps), limit, settings.max_frame)
            await stack.enter_async_context(_serving(app, listening, settings))
        yield "http://{}:{}".format(*listening.getsockname()) if listening else ""


async def _start(service: Service, settings: Settings, stack: AsyncExitStack) -> Context:
    """Connect a service to the bus and let it run."""

    def connecting() -> AbstractAsyncContextManager[Bus]:
        return connect(settings.bus_url, service.name, settings.shards)

    def running() -> AbstractAsyncContextManager[Context]:
        return service.running(bus, settings, bus.tally.instance)

    bus = await _patiently(connecting, stack, settings)
    # Whoever starts first makes everybody's queues: what is published waits for those to come.
    everyone = (queue for each in services(names(settings)) for queue in each.queues(settings))
    await bus.declare(*(queue for queue in everyone if queue.durable))
    context = await _patiently(running, stack, settings)
    await stack.enter_async_context(reporting(bus))
    return context


async def run(wanted: Sequence[Service], settings: Settings, ready: Callable[[str], None]) -> None:
    """Run services until SIGINT or SIGTERM; `ready` is called once with their address."""
    running = asyncio.current_task()
    assert running
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    with suppress(asyncio.CancelledError):
        async with started(wanted, settings) as url:
            ready(url)
            await asyncio.Event().wait()


async def _patiently(
    opening: Callable[[], AbstractAsyncContextManager[T]], stack: AsyncExitStack, settings: Settings
) -> T:
    """Open something that may need a server that is still starting."""
    pause, give_up = 0.1, asyncio.get_running_loop().time() + settings.patience
    while True:
        try:
            return await stack.enter_async_context(opening())
        except Unavailable as error:
            if asyncio.get_running_loop().time() > give_up:
                raise
            log.warning("waiting: %s", error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)


# ---- HTTP ---------------------------------------------------------------------------------------

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
async def _serving(app: App, listening: socket.socket, settings: Settings) -> AsyncIterator[None]:
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
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def _operated(buses: dict[str, Bus | None], settings: Settings) -> AsyncIterator[None]:
    """Serve metrics and health until the block ends, if the settings want them."""
    if settings.operation_port is None:
        yield
        return
    # Here, not above: most processes don't need it.
    from nochat.operation import application

    place = settings.operation_host, settings.operation_port
    with _listen(place, "NOCHAT_OPERATION_PORT") as listening:
        log.info("metrics and health at http://%s:%d", *listening.getsockname()[:2])
        async with _serving(application(buses), listening, settings):
            yield


def _listen_for(wanted: Sequence[Service], settings: Settings) -> socket.socket | None:
    """The socket that the page, or a gateway of its own, is served on."""
    names = {service.name for service in wanted}
    if not names.intersection(SERVED):
        return None
    place = settings.host, settings.port if "web" in names else settings.gateway_port
    return _listen(place, "NOCHAT_PORT (for a gateway of its own NOCHAT_GATEWAY_PORT)")


def _listen(place: tuple[str, int], variable: str) -> socket.socket:
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


def _by_path(apps: dict[str, App]) -> App:
    """The gateway has /socket.io/, the page everything else."""

    async def app(scope: dict[str, Any], receive: App, send: App) -> None:
        to_gateway = scope["path"].startswith("/socket.io") and "gateway" in apps
        chosen = apps["gateway"] if to_gateway else apps.get("web", apps.get("gateway"))
        await chosen(scope, receive, send)  # type: ignore[misc]

    return app
