"""A microservice: a name, and handlers of commands, events and requests.

    service = Service("echo")

    @service.on(MessageSent)
    async def answer(message: MessageSent) -> SendMessage | None:
        ...

The messages that a handler returns are published before the event that caused them is acknowledged;
for a request, it returns the reply. A handler may take a second argument, the `Context`.
"""

import asyncio
import inspect
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Literal, Never, cast, overload

import msgspec
from typing_extensions import TypeVar

from nochat.bus import Batch, Bus, Queue
from nochat.bus.routing import EVENTS, REQUESTS, Binding, shard_queue
from nochat.bus.tracing import trace
from nochat.errors import BusError, Busy, ConnectionLost, Fatal, RequestFailed, Unavailable
from nochat.protocol import reasons
from nochat.protocol.commands import Command
from nochat.protocol.envelope import Envelope, caused_by, type_of
from nochat.protocol.events import Event
from nochat.protocol.requests import Analysis, Answer, Failed, Reply, Request
from nochat.runtime.logs import service_name
from nochat.runtime.rebalancing import consuming
from nochat.settings import Settings

log = logging.getLogger(__name__)

ATTEMPTS = 3  # of a failing handler, before the event is dead-lettered
PAUSE = 0.05  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 5.0

# Temporary errors (a full disk, an unavailable store or broker): the event waits. All other errors
# count as errors of the event.
PASSING = (Unavailable, BusError, OSError, MemoryError)

# The type of a service's resource, None without one. Covariant, so that any service is a
# `Service[object]`.
R = TypeVar("R", default=None, covariant=True)
E = TypeVar("E", bound=Envelope)
Taken = TypeVar("Taken", covariant=True)  # a handler's argument: an event, or a list
Returned = Envelope | Iterable[Envelope] | None
Heard = Command | Event | Sequence[Envelope]  # all but requests, which have a reply


@dataclass(frozen=True)
class Context(Generic[R]):
    """The context of a handler: the bus, the settings, the service's resource."""

    bus: Bus
    settings: Settings
    resource: R


@dataclass(frozen=True)
class Handler:
    """A handler: a function, its types, and whether it takes batches.

    Attributes:
        call: calls the function with an event or a list of them, and the context.
        function: the function itself.
        types: the types that it handles.
        batch: whether it takes a list.
    """

    call: Callable[[Envelope | list[Envelope], Context[object]], Awaitable[Returned]]
    function: Callable[..., object]
    types: tuple[type[Envelope], ...]
    batch: bool

    async def __call__(self, events: list[Envelope], context: Context[object]) -> list[Envelope]:
        """Call the function; return its results as a list."""
        began = time.perf_counter()
        try:
            result = await self.call(events if self.batch else events[0], context)
        finally:
            context.bus.tally.seconds += time.perf_counter() - began
        if result is None:
            return []
        return [result] if isinstance(result, Envelope) else list(result)


class On(Generic[Taken, R]):
    """A declaration of the handler of some types: it decorates a function, or names a method."""

    def __init__(
        self,
        handlers: dict[type[Envelope], Handler],
        types: tuple[type[Envelope], ...],
        batch: bool,
    ) -> None:
        self._handlers, self._types, self._batch = handlers, types, batch

    @overload
    def __call__(
        self: "On[Heard, R]", function: Callable[[Taken], Awaitable[Returned]]
    ) -> Callable[[Taken], Awaitable[Returned]]: ...
    @overload
    def __call__(
        self: "On[Heard, R]", function: Callable[[Taken, Context[R]], Awaitable[Returned]]
    ) -> Callable[[Taken, Context[R]], Awaitable[Returned]]: ...
    @overload
    def __call__(
        self: "On[Request[Answer], R]",
        function: Callable[[Taken], Awaitable[Answer | Iterable[Envelope]]],
    ) -> Callable[[Taken], Awaitable[Answer | Iterable[Envelope]]]: ...
    @overload
    def __call__(
        self: "On[Request[Answer], R]",
        function: Callable[[Taken, Context[R]], Awaitable[Answer | Iterable[Envelope]]],
    ) -> Callable[[Taken, Context[R]], Awaitable[Answer | Iterable[Envelope]]]: ...
    def __call__(
        self, function: Callable[..., Awaitable[Returned]]
    ) -> Callable[..., Awaitable[Returned]]:
        """Declare a function, which may also take the `Context`; return it unchanged."""
        if len(inspect.signature(function).parameters) > 1:
            self._register(function, function)
        else:
            self._register(function, lambda events, _: function(events))
        return function

    @overload
    def method(
        self: "On[Heard, R]",
        method: Callable[[R], Callable[[Taken], Awaitable[Returned]]],
    ) -> None: ...
    @overload
    def method(
        self: "On[Request[Answer], R]",
        method: Callable[[R], Callable[[Taken], Awaitable[Answer | Iterable[Envelope]]]],
    ) -> None: ...
    def method(self, method: Callable[[R], Callable[..., Awaitable[Returned]]]) -> None:
        """Declare a method of the resource: `service.on(GetNotes).method(lambda it: it.notes)`.

        A function of the resource returns the method, as the resource's class may be imported only
        when it is opened.
        """
        self._register(method, lambda events, context: method(cast("R", context.resource))(events))

    def _register(
        self,
        function: Callable[..., object],
        call: Callable[[Envelope | list[Envelope], Context[object]], Awaitable[Returned]],
    ) -> None:
        handler = Handler(call, function, self._types, self._batch)
        self._handlers.update(dict.fromkeys(self._types, handler))


class Service(Generic[R]):
    """A microservice; one with a resource is a `Service[Store]("name")`.

    Args:
        name: the name of its queue, also in logs and in RabbitMQ's tools.
        single_active_consumer: one instance is active, others stand by; events keep their order.
        broadcast: every instance gets every event published while it runs; nothing is durable.
    """

    def __init__(
        self, name: str, *, single_active_consumer: bool = False, broadcast: bool = False
    ) -> None:
        self.name = name
        self.single_active_consumer, self.broadcast = single_active_consumer, broadcast
        self.handlers: dict[type[Envelope], Handler] = {}
        self._resource: Callable[[Context], AbstractAsyncContextManager[R]] | None = None
        self._on_reconnect: Callable[[R, Queue], None] | None = None

    @overload
    def on(self, kind: type[E], /) -> On[E, R]: ...
    @overload
    def on(self, kind: type[E], /, *, batch: Literal[True]) -> On[list[E], R]: ...
    @overload
    def on(
        self, kind: type[E], other: type[E], /, *types: type[E], batch: bool = False
    ) -> On[Never, R]: ...
    def on(self, *types: type[Envelope], batch: bool = False) -> On[object, R]:
        """Declare the handler of commands, events or requests.

        Args:
            types: structs of the catalogue, or your own. A type checker verifies the argument of a
                handler of one type, and the result of a request's handler, but not the argument of
                a handler of several types.
            batch: the handler takes a list: all events that have arrived and are due, in order.

        Raises:
            ValueError: a type has a handler already, or is a reply.
        """
        for kind in types:
            if kind in self.handlers or issubclass(kind, Reply):
                raise ValueError(f"{self.name}: {kind.__name__} has a handler, or is a reply")
        return On(self.handlers, types, batch)

    def resource(
        self, factory: Callable[[Context], AbstractAsyncContextManager[R]]
    ) -> Callable[[Context], AbstractAsyncContextManager[R]]:
        """Declare the resource: opened before the first event, closed after the last."""
        self._resource = factory
        return factory

    def on_reconnect(self, function: Callable[[R, Queue], None]) -> Callable[[R, Queue], None]:
        """Declare the function that drops the resource's stale state about a queue's events."""
        self._on_reconnect = function
        return function

    def forget(self, resource: object, queue: Queue) -> None:
        """Drop the resource's state that may be stale for a queue's events."""
        if self._on_reconnect:
            self._on_reconnect(cast("R", resource), queue)

    @property
    def consumes(self) -> list[type[Envelope]]:
        """The types that it handles."""
        return list(self.handlers)

    def queues(self, settings: Settings, instance: str = "") -> list[Queue]:
        """List the queues that the service consumes with these settings."""
        events = [k for k in self.handlers if issubclass(k, Event)]
        bindings = [Binding(EVENTS, type_of(kind)) for kind in events]
        queues: list[Queue] = []
        if any(issubclass(kind, Command) for kind in self.handlers):
            queues += [shard_queue(shard) for shard in range(settings.shards)]
        if any(issubclass(kind, Request) and kind.ordered for kind in self.handlers):
            bindings.append(Binding(REQUESTS, self.name))
        if bindings and self.broadcast:
            name = f"{self.name}.{instance}"
            queues.append(Queue(name, tuple(bindings), durable=False, exclusive=True))
        elif bindings:
            queues.append(
                Queue(
                    self.name, tuple(bindings), single_active_consumer=self.single_active_consumer
                )
            )
        requests = [k for k in self.handlers if issubclass(k, Request) and not k.ordered]
        for name in dict.fromkeys(f"{self.name}.{kind.lane}" for kind in requests):
            queues.append(Queue(name, (Binding(REQUESTS, name),), durable=False))
        return queues

    @asynccontextmanager
    async def running(
        self, bus: Bus, settings: Settings, instance: str = ""
    ) -> AsyncIterator[Context[R]]:
        """Open the resource and consume until the block ends."""
        async with self._opened(Context(bus, settings, None)) as resource:
            context = Context(bus, settings, resource)
            dispatchers = [
                Dispatcher(self, context, queue) for queue in self.queues(settings, instance)
            ]
            async with consuming(bus, dispatchers):
                yield context

    @asynccontextmanager
    async def _opened(self, context: Context) -> AsyncIterator[R]:
        if self._resource is None:
            yield cast("R", None)  # as its type says, unless it names another
            return
        async with self._resource(context) as resource:
            yield resource


class Dispatcher:
    """A dispatcher of a queue's events to handlers, in order, which decides on failures."""

    def __init__(self, service: Service[object], context: Context[object], queue: Queue) -> None:
        self.service, self.context, self.queue = service, context, queue

    def forget(self) -> None:
        """Drop state that may be stale."""
        self.service.forget(self.context.resource, self.queue)

    async def __call__(self, batch: Batch) -> None:
        """Handle a batch; acknowledge it when all of it was handled or dead-lettered."""
        service_name.set(self.service.name)
        for handler, group in itertools.groupby(batch.events, self._turn_of):
            events = list(group)
            if handler is None:
                for event in events:
                    await self._refuse(batch, event)
            elif not isinstance(handler, Handler):  # requests run concurrently
                await self._answer_all(batch, [e for e in events if isinstance(e, Request)])
                self.context.bus.tally.note_handled(events)
            elif handler.batch:
                with caused_by(""):
                    await self._handle(batch, handler, events)
            else:
                await self._handle_each(batch, handler, events)
        batch.ack()

    async def _refuse(self, batch: Batch, event: Envelope) -> None:
        reason = reasons.service_unable(self.service.name)
        if isinstance(event, Request):
            batch.reply(event, answer_to(event, Failed(**reason.fields)))
        else:
            await batch.dead_letter(event, str(reason))

    def _turn_of(self, event: Envelope) -> Handler | type[Request] | None:
        """Return the group of an event: its handler, or `Request` for all requests."""
        handler = self.service.handlers.get(type(event))
        return Request if handler and isinstance(event, Request) else handler

    async def _handle_each(self, batch: Batch, handler: Handler, events: list[Envelope]) -> None:
        for event in events:
            with caused_by(event.correlation_id):
                await self._handle(batch, handler, [event])

    async def _handle(self, batch: Batch, handler: Handler, events: list[Envelope]) -> None:
        trace(self.service.name, handled=events)
        attempt, pause = 0, PAUSE
        while True:
            try:
                published = await handler(events, self.context)
                await batch.publish(*published)
                self.context.bus.tally.note_handled(events)
                return trace(self.service.name, published=published)
            except (ConnectionLost, Fatal):
                raise
            except PASSING as error:  # the event waits in the queue
                log.warning("%s waits: %s", self.service.name, error)
            except Exception as error:
                attempt += 1
                if attempt >= ATTEMPTS:
                    return await self._give_up(batch, handler, events, error)
                log.warning("%s: attempt %d: %r", self.service.name, attempt, error)
            self.forget()
            await batch.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _give_up(
        self, batch: Batch, handler: Handler, events: list[Envelope], error: Exception
    ) -> None:
        """Handle a failed batch's events one by one; dead-letter a failed event."""
        self.forget()
        if len(events) > 1:
            return await self._handle_each(batch, handler, events)
        log.error("%s: %r becomes a dead letter", self.service.name, events[0], exc_info=error)
        await batch.dead_letter(events[0], f"{type(error).__name__}: {error}")

    async def _answer_all(self, batch: Batch, requests: list[Request]) -> None:
        """Answer requests concurrently, or expensive ones one by one."""
        if isinstance(requests[0], Analysis):  # in a lane of their own
            for request in requests:
                await self._answer(batch, request)
        else:
            await asyncio.gather(*(self._answer(batch, asked) for asked in requests))

    async def _answer(self, batch: Batch, request: Request) -> None:
        if batch.is_over(request):  # nobody waits for it any more
            return
        handler = self.service.handlers[type(request)]
        trace(self.service.name, handled=[request])
        with caused_by(request.correlation_id):
            results = await self._results(handler, request)
        await self._deliver(batch, request, results)

    async def _results(self, handler: Handler, request: Request) -> list[Envelope]:
        try:
            return await handler([request], self.context)
        except Busy as error:
            return [Failed(**error.reason.fields, retry=True, wait=error.wait)]
        except Unavailable as error:  # its message is for the sender's log
            reason = error.reason or reasons.unavailable(self.service.name)
            return [Failed(**reason._replace(sentence=str(error)).fields, retry=True)]
        except RequestFailed as error:  # our other errors name servers, and are only for the log
            return [Failed(**error.reason.fields)]
        except Exception:
            log.exception("%s failed to answer %r", self.service.name, request)
            self.context.bus.tally.note_failed(type_of(type(request)))
            return [Failed(**reasons.service_failed(self.service.name).fields)]

    async def _deliver(self, batch: Batch, request: Request, results: Iterable[Envelope]) -> None:
        """Publish the events among the results, then send the reply."""
        events = [result for result in results if not isinstance(result, Reply)]
        await batch.publish(*events)
        replies = [answer_to(request, result) for result in results if isinstance(result, Reply)]
        for reply in replies:
            batch.reply(request, reply)
        trace(self.service.name, published=[*events, *replies])


def answer_to(request: Request, reply: Reply) -> Reply:
    """Return a reply with the ids of its request."""
    ids = {"in_reply_to": request.id, "correlation_id": request.correlation_id}
    return msgspec.structs.replace(reply, **ids)
