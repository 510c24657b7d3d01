"""How a subscription ends, on both buses: the batch in hand is finished, the rest goes back."""

import asyncio
import time

import pytest

import nochat.bus
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import Session, WhoIs
from tests.bus.helpers import Seen, message, queue_of, requests_queue


class Held(Seen):
    """A handler that begins a batch and ends it when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, batch):
        self.begun.set()
        await self.released.wait()
        await super().__call__(batch)


async def ended(subscription, held) -> None:
    """Cancel a subscription while its handler is busy, then let the handler go on."""
    cancelling = asyncio.create_task(subscription.cancel())
    await asyncio.sleep(0)
    assert not cancelling.done()
    held.released.set()
    await cancelling


async def test_the_batch_in_hand_is_finished_and_not_delivered_again(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        held, later = Held(), Seen()
        subscription = await bus.subscribe(queue, held)
        await bus.publish(message(1))
        await held.begun.wait()
        await ended(subscription, held)
        await bus.publish(message(2))
        await bus.subscribe(queue, later)
        await later.count(1)
    assert held.positions == [1]
    assert later.positions == [2]


@pytest.mark.parametrize("single_active_consumer", [True, False])
async def test_prefetched_messages_go_to_a_stand_by_in_order(connected, single_active_consumer):
    """More than a consumer is given at once, each in a message of its own."""
    number, queue = 300, queue_of(MessageSent, single_active_consumer=single_active_consumer)
    async with connected() as bus, connected() as other:
        held, standby = Held(), Seen()
        subscription = await bus.subscribe(queue, held)
        await bus.publish(message(0))
        await held.begun.wait()
        for position in range(1, number):
            await bus.publish(message(position))
        if single_active_consumer:  # otherwise it would share the work from now on
            await other.subscribe(queue, standby)
        await ended(subscription, held)
        if not single_active_consumer:
            await other.subscribe(queue, standby)
        await standby.count(number - 1)
    assert held.positions == [0]
    assert standby.positions == list(range(1, number))


async def test_a_handler_that_does_not_end_is_cancelled(connected, monkeypatch):
    monkeypatch.setattr(nochat.bus, "DRAIN", 0.2)
    queue = queue_of(MessageSent)
    async with connected() as bus:
        held, later = Held(), Seen()
        subscription = await bus.subscribe(queue, held)
        await bus.publish(message(1))
        await held.begun.wait()
        await asyncio.wait_for(subscription.cancel(), 10)
        await bus.subscribe(queue, later)
        await later.count(1)
    assert held.positions == []
    assert later.positions == [1]


async def test_a_pending_retry_does_not_delay_the_stop(connected):
    queue, begun = queue_of(MessageSent), asyncio.Event()

    async def wait(batch):
        begun.set()
        await batch.wait(60)
        raise AssertionError("nobody should have waited that long")

    async with connected() as bus:
        later = Seen()
        subscription = await bus.subscribe(queue, wait)
        await bus.publish(message(1))
        await begun.wait()
        began = time.monotonic()
        await subscription.cancel()
        assert time.monotonic() - began < nochat.bus.DRAIN / 2
        await bus.subscribe(queue, later)
        await later.count(1)
    assert later.positions == [1]


async def test_a_request_in_hand_is_answered(connected):
    begun, released = asyncio.Event(), asyncio.Event()

    async def answer(batch):
        begun.set()
        await released.wait()
        for request in batch.events:
            batch.reply(request, Session(user="ana", in_reply_to=request.id))
        batch.ack()

    async with connected() as bus, connected() as client:
        subscription = await bus.subscribe(requests_queue("users"), answer)
        asking = asyncio.create_task(client.request(WhoIs(token="t"), timeout=10))
        await begun.wait()
        cancelling = asyncio.create_task(subscription.cancel())
        await asyncio.sleep(0)
        released.set()
        await cancelling
        assert (await asking).user == "ana"
    assert not subscription.alive


async def test_the_end_of_an_idle_subscription_takes_no_time(connected):
    async with connected() as bus:
        subscription = await bus.subscribe(queue_of(MessageSent), Seen())
        assert subscription.alive
        await asyncio.wait_for(subscription.cancel(), 5)
    assert not subscription.alive
