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

from nochat.bus import Bus, connect
from nochat.errors import NochatError, Unavailable
from nochat.events import new_id
from nochat.service import Context, Service
from nochat.settings import Settings

log = logging.getLogger(__name__)

# In the order in which they are started: each may need those before it.
NAMES = ("users", "activity", "notifications", "controller", "gateway", "web")

SERVED = ("web", "gateway")  # those that have an HTTP application

T = TypeVar("T")
App = Callable[..., Any]


def services(names: Iterable[str] = NAMES) -> list[Service]:
    """The services of these names.

    Raises:
        NochatError: there is none of that name.
    """
    names = list(names)
    for name in names:
        if name not in NAMES:
            raise NochatError(f"there is no service {name!r}; there are: {', '.join(NAMES)}")
    return [importlib.import_module(f"nochat.services.{name}").service for name in names]


@asynccontextmanager
async def started(wanted: Sequence[Service], settings: Settings) -> AsyncIterator[str]:
    """Run services until the block ends; gives the address of what they serve, if they do.

    Raises:
        NochatError: a port, the bus or a store can't be used; says which, and what to do.
    """
    async with AsyncExitStack() as stack:
        # The port first: if it is taken, whoever waits should hear of it at once.
        listening = _listen(wanted, settings)
        if listening:
            stack.enter_context(listening)
        contexts = {each.name: await _start(each, settings, stack) for each in wanted}
        if listening:
            apps = {name: contexts[name].resource.app for name in SERVED if name in contexts}
            await stack.enter_async_context(_serving(apps, listening, settings))
        yield "http://{}:{}".format(*listening.getsockname()) if listening else ""


async def _start(service: Service, settings: Settings, stack: AsyncExitStack) -> Context:
    """Connect a service to the bus and let it run."""

    def connecting() -> AbstractAsyncContextManager[Bus]:
        return connect(settings.bus_url, service.name, settings.shards)

    def running() -> AbstractAsyncContextManager[Context]:
        return service.running(bus, settings, new_id()[:8])

    bus = await _patiently(connecting, stack, settings)
    # Whoever starts first makes everybody's queues: what is published waits for those to come.
    everyone = (queue for each in services() for queue in each.queues(settings))
    await bus.declare(*(queue for queue in everyone if queue.durable))
    return await _patiently(running, stack, settings)


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


class Server(uvicorn.Server):
    """uvicorn, except that the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield


@asynccontextmanager
async def _serving(
    apps: dict[str, App], listening: socket.socket, settings: Settings
) -> AsyncIterator[None]:
    """Serve the applications until the block ends."""
    config = uvicorn.Config(
        _by_path(apps),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
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


def _listen(wanted: Sequence[Service], settings: Settings) -> socket.socket | None:
    """The socket that the page, or a gateway of its own, is served on."""
    names = {service.name for service in wanted}
    if not names.intersection(SERVED):
        return None
    place = settings.host, settings.port if "web" in names else settings.gateway_port
    try:
        return socket.create_server(place, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise NochatError(
            f"can't listen on {place[0]}:{place[1]} ({reason}); stop what uses it, or set "
            "NOCHAT_PORT (for a gateway of its own NOCHAT_GATEWAY_PORT) to another, or 0 for any"
        ) from None


def _by_path(apps: dict[str, App]) -> App:
    """The gateway has /socket.io/, the page everything else."""

    async def app(scope: dict[str, Any], receive: App, send: App) -> None:
        to_gateway = scope["path"].startswith("/socket.io") and "gateway" in apps
        chosen = apps["gateway"] if to_gateway else apps.get("web", apps.get("gateway"))
        await chosen(scope, receive, send)  # type: ignore[misc]

    return app
