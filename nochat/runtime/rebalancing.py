"""The queues that a service consumes; its shards are spread over its instances.

A queue's first consumer is its single active one, so an instance that joins later would only stand
by. Therefore the instances read each other's reports: in the order of their start, each is to be
active in an equal number of shards. An instance that gets messages of another one's shard
subscribes again, which puts it behind the other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from nochat.bus import Batch, Bus, Queue, Subscription
from nochat.bus.routing import EVENTS, Binding
from nochat.errors import NochatError
from nochat.protocol.events import ServiceReported
from nochat.runtime.instances import OURS, Watch

log = logging.getLogger(__name__)


class Handles(Protocol):
    """A handler of a queue's messages."""

    queue: Queue

    async def __call__(self, batch: Batch) -> None:
        """Handle a batch."""

    def forget(self) -> None:
        """Drop state that may be stale."""


class Consumed:
    """A queue that is consumed.

    Attributes:
        active: whether messages arrived since the last subscription.
    """

    def __init__(self, bus: Bus, handler: Handles) -> None:
        self._bus, self._handler = bus, handler
        self._subscription: Subscription | None = None
        self.active = False

    @property
    def queue(self) -> Queue:
        """The queue."""
        return self._handler.queue

    @property
    def is_lost(self) -> bool:
        """True after a renewal that failed in the middle."""
        return self._subscription is None

    async def subscribe(self) -> None:
        """Start to consume."""
        self._subscription = await self._bus.subscribe(
            self.queue, self._handle, self._handler.forget
        )

    async def cancel(self) -> None:
        """Stop after the batch in hand; the rest goes back to the queue."""
        subscription, self._subscription = self._subscription, None
        if subscription:
            await subscription.cancel()

    async def renew(self) -> None:
        """Subscribe again, as the last of the stand-bys."""
        await self.cancel()
        self.active = False
        await self.subscribe()

    async def _handle(self, batch: Batch) -> None:
        self.active = True
        await self._handler(batch)


class Rebalancing:
    """A handler of reports that gives the shards of other instances to them."""

    def __init__(self, bus: Bus, shards: Sequence[Consumed]) -> None:
        self._own, self._shards = bus.tally, shards
        self._watch = Watch()
        name = f"{self._own.service}.{self._own.instance}"
        self.queue = Queue(name, (Binding(EVENTS, OURS),), durable=False, exclusive=True)

    async def __call__(self, batch: Batch) -> None:
        """Read reports of the own service's instances, and act on them."""
        for said in batch.events:
            if isinstance(said, ServiceReported) and said.service == self._own.service:
                self._watch.heard(said)
        await self._rebalance()
        batch.ack()

    def forget(self) -> None:
        """Forget nothing: reports are repeated."""

    async def _rebalance(self) -> None:
        instances = [said.instance for said in self._watch.instances(self._own.service)]
        known = self._own.instance in instances
        for number, shard in enumerate(self._shards):
            ours = not known or instances[number % len(instances)] == self._own.instance
            if shard.is_lost or (shard.active and not ours):
                log.info("%s moves to another instance", shard.queue.name)
                try:
                    await shard.renew()
                except NochatError as error:  # the next report repeats it
                    log.warning("%s can't be consumed again: %s", shard.queue.name, error)


@asynccontextmanager
async def consuming(bus: Bus, handlers: Sequence[Handles]) -> AsyncIterator[None]:
    """Consume queues until the block ends."""
    consumed = [Consumed(bus, handler) for handler in handlers]
    shards = [queue for queue in consumed if queue.queue.single_active_consumer]
    reports = Consumed(bus, Rebalancing(bus, shards))
    try:
        for queue in consumed:
            await queue.subscribe()
        if len(shards) > 1:
            await reports.subscribe()
        yield
    finally:
        await reports.cancel()  # first: from now on, no shard is subscribed to again
        await asyncio.gather(*(queue.cancel() for queue in consumed))
