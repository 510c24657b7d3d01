"""The shards of the rooms are spread over the controllers, however they come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from nochat.bus import Bus
from nochat.bus.routing import shard_of
from nochat.errors import BusError
from nochat.protocol.commands import SendMessage
from nochat.runtime import instances
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import PATIENCE

SETTINGS = Settings()
ROOMS = [f"room-{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Instances report often, and count as gone early."""
    monkeypatch.setattr(instances, "EVERY", 0.05)
    monkeypatch.setattr(instances, "SILENCE", 0.5)


class Controllers:
    """Controllers that note what they handle, and whoever sends to them.

    Attributes:
        handled: the name of the controller, the room and the number of each command, in order.
    """

    def __init__(self, connected, sender: Bus):
        self.connected, self._sender = connected, sender
        self.handled: list[tuple[str, str, int]] = []
        self._sent, self._arrived = 0, asyncio.Event()

    @asynccontextmanager
    async def start(self, name: str) -> AsyncIterator[Bus]:
        service = Service("controller")

        @service.on(SendMessage)
        async def handle(command):
            self.handled.append((name, command.room, int(command.client_id)))
            self._arrived.set()

        async with (
            self.connected("controller") as bus,
            service.running(bus, SETTINGS, bus.tally.instance),
            instances.reporting(bus),
        ):
            yield bus

    async def say(self) -> dict[str, set[int]]:
        """Send a command to each room; return the shards that each controller handled."""
        self._sent += 1
        before, number = len(self.handled), f"{self._sent}"
        commands = [SendMessage(room, "ana", number, "hello") for room in ROOMS]
        await self._sender.publish(*commands)
        while len(self.handled) < before + len(ROOMS):
            self._arrived.clear()
            await self._arrived.wait()
        shards: dict[str, set[int]] = {}
        for name, room, _ in self.handled[before:]:
            shards.setdefault(name, set()).add(shard_of(room, SETTINGS.shards))
        return shards

    async def spread(self, *shares: int) -> None:
        """Wait until the controllers handle these numbers of shards."""
        async with asyncio.timeout(PATIENCE):
            while sorted(map(len, (await self.say()).values())) != sorted(shares):
                pass  # reports arrive meanwhile


@pytest.fixture
async def controllers(connected) -> AsyncIterator[Controllers]:
    async with connected("gateway") as sender:
        controllers = Controllers(connected, sender)
        yield controllers
        for room in ROOMS:  # nothing is lost or repeated, and nothing overtakes
            numbers = [number for _, its, number in controllers.handled if its == room]
            assert numbers == [*range(1, len(numbers) + 1)]


async def test_who_joins_gets_a_share_and_leaves_it_to_the_others(controllers):
    async with controllers.start("first"):
        assert await controllers.say() == {"first": {0, 1, 2, 3}}
        async with AsyncExitStack() as others:
            await others.enter_async_context(controllers.start("second"))
            await controllers.spread(2, 2)
            await others.enter_async_context(controllers.start("third"))
            await controllers.spread(1, 1, 2)
        assert await controllers.say() == {"first": {0, 1, 2, 3}}


async def test_a_hand_over_that_fails_in_the_middle_is_tried_again(controllers, monkeypatch):
    """The broker is away between the end of a subscription and the next."""
    async with controllers.start("first") as bus:
        await controllers.say()
        failing = ["controller.1", "controller.3"]
        subscribe = bus.subscribe

        async def interrupted(queue, *more):
            if queue.name in failing:
                failing.remove(queue.name)
                raise BusError("the broker is away")
            return await subscribe(queue, *more)

        monkeypatch.setattr(bus, "subscribe", interrupted)
        async with controllers.start("second"):
            await controllers.spread(2, 2)
            assert not failing
        assert await controllers.say() == {"first": {0, 1, 2, 3}}
