"""What a service's instance counts, by what went through it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from nochat.bus import connect
from nochat.bus.counters import MALFORMED
from nochat.bus.outbox import Parcel
from nochat.bus.routing import EVENTS, Route
from nochat.errors import RequestFailed
from nochat.lab import checks
from nochat.protocol.commands import SendMessage
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.protocol.requests import Session, WhoIs
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import message, shard_queue_of_all


@asynccontextmanager
async def running(service):
    """The service's tally, and a bus of one's own."""
    settings = Settings(bus_url=f"memory://{new_id()}")
    async with (
        connect(settings.bus_url, service.name) as bus,
        connect(settings.bus_url, "test") as ours,
        service.running(bus, settings),
    ):
        await ours.declare(shard_queue_of_all())
        yield bus.tally, ours


async def test_handled_and_published_messages_are_counted_by_type():
    service = Service("echo")

    @service.on(MessageSent)
    async def answer(heard) -> SendMessage:
        await asyncio.sleep(0.001)
        return SendMessage(heard.room, "echo", heard.id, heard.text)

    @service.on(RoomJoined, batch=True)
    async def note(events) -> None:
        pass

    async with running(service) as (tally, bus):
        await bus.publish(*(message(n) for n in range(3)), RoomJoined("lobby", 4, "ana"))
        assert await checks.until(lambda: sum(tally.handled.values()) == 4)
        assert tally.handled == {"message.sent": 3, "room.joined": 1}
        assert tally.published == {"message.send": 3}
        assert tally.failed == {}
        assert 0.003 <= tally.seconds < 5
        assert bus.tally.published == {"message.sent": 3, "room.joined": 1}


async def test_requests_and_their_replies_are_counted():
    service = Service("users")

    @service.on(WhoIs)
    async def who(request) -> Session:
        if request.token == "bad":
            raise ZeroDivisionError
        return Session(user="ana")

    async with running(service) as (tally, bus):
        await bus.request(WhoIs(token="good"))
        with pytest.raises(RequestFailed):
            await bus.request(WhoIs(token="bad"))
        assert await checks.until(lambda: tally.handled == {"users.who-is": 2})
        assert tally.published == {"users.session": 1, "failed": 1}
        assert tally.failed == {"users.who-is": 1}
        assert bus.tally.published == {"users.who-is": 2}


async def test_dead_letters_count_as_failures():
    service = Service("picky")

    @service.on(MessageSent, batch=True)
    async def take(events) -> None:
        if any(event.text == "poison" for event in events):
            raise ValueError

    async with running(service) as (tally, bus):
        await bus.publish(message(1), message(2, "poison"), message(3))
        await bus._outbox.put_parcel(Parcel(Route(EVENTS, "message.sent"), raw=b"not json"))
        assert await checks.until(lambda: sum(tally.failed.values()) == 2)
        assert tally.failed == {"message.sent": 1, MALFORMED: 1}
        assert tally.handled == {"message.sent": 2}
