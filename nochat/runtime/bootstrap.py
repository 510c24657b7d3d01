"""The only place of the wiring: which services run in this process, and on which bus."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from nochat.bus import Bus, connect
from nochat.errors import Unavailable
from nochat.runtime import descriptors, registry
from nochat.runtime.http_server import App, guarded, serving
from nochat.runtime.instances import reporting
from nochat.runtime.lifetimes import side_by_side
from nochat.runtime.listening import ListenAddress, listen, url_of
from nochat.runtime.origin import path_below
from nochat.runtime.rate_limits import ConcurrencyLimit, Limit, RateLimitMiddleware
from nochat.service import Context, Service
from nochat.settings import Settings

log = logging.getLogger(__name__)

SERVED = ("web", "gateway")  # those that have an HTTP application
DRAIN = 10.0  # seconds that a stop may take to handle what was accepted
MOST_YOUNG = 20_000  # objects that are made before the collector looks for cycles among them

T = TypeVar("T")


@runtime_checkable
class Served(Protocol):
    """The resource of a service with an HTTP application."""

    app: App


@asynccontextmanager
async def started(wanted: Sequence[Service[object]], settings: Settings) -> AsyncIterator[str]:
    """Run services until the block ends; yield the URL that they serve, or "".

    Raises:
        NochatError: a port, the bus or a store can't be used; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        # The port first: if it is taken, the user should learn it at once.
        listening = _listen_for(wanted, settings)
        if listening:
            stack.enter_context(listening)
        app = await stack.enter_async_context(running(wanted, settings))
        if listening:
            await stack.enter_async_context(serving(app, listening, settings))
        yield url_of(listening) if listening else ""


@asynccontextmanager
async def running(wanted: Sequence[Service[object]], settings: Settings) -> AsyncIterator[App]:
    """Run services until the block ends; yield their ASGI application.

    Raises:
        NochatError: the bus or a store can't be used; the message says what to do.
    """
    async with AsyncExitStack() as stack:
        buses: dict[str, Bus | None] = dict.fromkeys(service.name for service in wanted)
        await stack.enter_async_context(_operated(buses, settings))
        errors: list[BaseException] = []
        stop = await stack.enter_async_context(_stopped_by(errors))
        contexts: dict[str, Context[object]] = {}

        async def start(services: Iterable[Service[object]]) -> None:
            openings = [partial(_running, service, settings, stop) for service in services]
            for context in await stack.enter_async_context(side_by_side(openings, stop)):
                contexts[context.bus.name], buses[context.bus.name] = context, context.bus

        # The services with sockets start last and stop first, so that the others can still
        # handle the clients' messages. The others do not wait for each other: their requests
        # wait in queues.
        await start(service for service in wanted if service.name not in SERVED)
        stack.push_async_callback(_drain, buses, errors)
        await start(service for service in wanted if service.name in SERVED)
        resources = {name: contexts[name].resource for name in SERVED if name in contexts}
        apps = {
            name: resource.app
            for name, resource in resources.items()
            if isinstance(resource, Served)
        }
        limit = Limit(settings.address_rate, 10)
        concurrency = ConcurrencyLimit(descriptors.share(settings.address_connections))
        app = RateLimitMiddleware(_by_path(apps), limit, concurrency, settings.max_frame)
        try:
            yield guarded(app, settings)
        except asyncio.CancelledError:
            _allow_time_limits()
            raise


def _allow_time_limits() -> None:
    """Allow asyncio.timeout during the shutdown.

    Before Python 3.11.3, its expiry in a task that is being cancelled counts as a second
    cancellation (python/cpython issue 102780).
    """
    task = asyncio.current_task()
    assert task
    task.uncancel()


async def _drain(buses: Mapping[str, Bus | None], errors: Sequence[BaseException]) -> None:
    """Wait until accepted messages are handled, if the queues end with this process."""
    bus = next((bus for bus in buses.values() if bus), None)
    if not bus or not (left := await bus.drain(0 if errors else DRAIN)):
        return
    number = sum(left.values())
    where = ", ".join(f"{count} in {name}" for name, count in left.items())
    if bus.lasting:
        log.warning("%d messages wait for the next start: %s", number, where)
    else:
        log.error("%d messages are lost, because this bus has no journal: %s", number, where)


@asynccontextmanager
async def _stopped_by(
    errors: list[BaseException],
) -> AsyncIterator[Callable[[BaseException], None]]:
    """Yield a callback for a failing service, which ends the block with the service's error.

    Raises:
        Fatal: the first such error.
    """
    block = asyncio.current_task()
    assert block

    def stop(error: BaseException) -> None:
        log.critical("the chat stops: %s", error)
        errors.append(error)
        if len(errors) == 1:
            block.cancel()

    try:
        yield stop
    except asyncio.CancelledError:
        if not errors:
            raise
        block.uncancel()
    if errors:
        raise errors[0]


@asynccontextmanager
async def _running(
    service: Service[object], settings: Settings, failed: Callable[[BaseException], None]
) -> AsyncIterator[Context[object]]:
    """Connect a service to the bus and run it until the block ends."""

    @asynccontextmanager
    async def connecting() -> AsyncIterator[Bus]:
        async with connect(settings.bus, service.name, settings.shards) as bus:
            # The first service declares all queues, so that messages wait for the others.
            await bus.declare(*(queue for queue in registry.queues(settings) if queue.durable))
            yield bus

    def running() -> AbstractAsyncContextManager[Context[object]]:
        return service.running(bus, settings, bus.tally.instance)

    async with AsyncExitStack() as stack:
        bus = await _patiently(connecting, stack, settings)
        bus.failed = failed
        context = await _patiently(running, stack, settings)
        await stack.enter_async_context(reporting(bus))
        yield context


async def run(
    wanted: Sequence[Service[object]], settings: Settings, ready: Callable[[str], None]
) -> None:
    """Run services until SIGINT, SIGTERM or SIGHUP; call `ready` once with their URL."""
    descriptors.raise_limit()
    running = asyncio.current_task()
    assert running
    stopping = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as `nohup` sets it
        stopping.append(signal.SIGHUP)
    for name in stopping:
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    with suppress(asyncio.CancelledError):
        async with started(wanted, settings) as url:
            _spare_the_collector()
            ready(url)
            await asyncio.Event().wait()


def _spare_the_collector() -> None:
    """Let the collector of cycles pass by what stays until the end, and look less often.

    What a message makes is freed by its last reference. Python's own threshold, 700 objects, is
    reached by every few dozen messages: a sixth of a gateway's time went into looking at them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MOST_YOUNG, *gc.get_threshold()[1:])


async def _patiently(
    opening: Callable[[], AbstractAsyncContextManager[T]], stack: AsyncExitStack, settings: Settings
) -> T:
    """Enter a context manager; retry while a server that it needs is unavailable."""
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


@asynccontextmanager
async def _operated(buses: dict[str, Bus | None], settings: Settings) -> AsyncIterator[None]:
    """Serve metrics and health checks until the block ends, if the settings enable them."""
    if settings.operation_port is None:
        yield
        return
    # Imported here, not above: most processes do not need it.
    from nochat.runtime.telemetry import application

    names = "NOCHAT_OPERATION_HOST", "NOCHAT_OPERATION_PORT"
    with listen(
        ListenAddress(settings.operation_host, settings.operation_port, *names)
    ) as listening:
        log.info("metrics and health at %s", url_of(listening))
        async with serving(guarded(application(buses), settings), listening, settings):
            yield


def _listen_for(wanted: Sequence[Service[object]], settings: Settings) -> socket.socket | None:
    """Open the listening socket of the page, or of a separate gateway; None without either."""
    names = {service.name for service in wanted}
    if not names.intersection(SERVED):
        return None
    web = "web" in names
    port, name = (
        (settings.port, "NOCHAT_PORT") if web else (settings.gateway_port, "NOCHAT_GATEWAY_PORT")
    )
    return listen(ListenAddress(settings.host, port, "NOCHAT_HOST", name))


def _by_path(apps: dict[str, App]) -> App:
    """Route /socket.io/ to the gateway, everything else to the page."""

    async def app(scope: dict[str, Any], receive: App, send: App) -> None:
        path = path_below(scope)
        if "web" not in apps or ("gateway" in apps and path.startswith("/socket.io")):
            # Engine.IO does not support a path that the chat is mounted under.
            await apps["gateway"](scope | {"path": path}, receive, send)
        else:
            await apps["web"](scope, receive, send)

    return app
