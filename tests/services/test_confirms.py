"""Clients that wait for the broker's confirm."""

import asyncio

import pytest

from nochat.errors import BusError
from nochat.protocol.events import TypingStarted
from nochat.services.gateway import confirmed

TYPING = TypingStarted("lobby", "ana")


class Bus:
    """A bus whose confirms the test gives; what is sent in between travels together."""

    def __init__(self):
        self.next()

    def next(self):
        """Let what is sent from now on travel in another message."""
        self.confirm = asyncio.get_running_loop().create_future()

    def send(self, event):
        """Take an event."""
        return self.confirm


@pytest.fixture
async def bus():
    return Bus()


@pytest.fixture
async def confirms(bus):
    return confirmed.Confirms(bus, lambda error: {"refused": type(error).__name__})


async def test_all_that_travel_together_are_answered_by_one_confirm(bus, confirms):
    together = [confirms.publish(TYPING) for _ in range(3)]
    bus.confirm, first = asyncio.get_running_loop().create_future(), bus.confirm
    later = confirms.publish(TYPING)
    first.set_result(None)
    assert await asyncio.gather(*together) == [{}] * 3
    assert not later.done()
    bus.confirm.set_exception(BusError("refused"))
    assert await later == {"refused": "BusError"}


async def test_a_confirm_that_comes_later_is_for_those_who_still_wait(bus, confirms, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(confirmed, "PUBLISH_TIMEOUT", 0.01)
        early = [confirms.publish(TYPING) for _ in range(2)]
    late = confirms.publish(TYPING)
    assert await asyncio.gather(*early) == [{"refused": "TimeoutError"}] * 2
    assert not late.done()
    bus.confirm.set_result(None)
    assert await late == {}


async def test_each_has_its_own_limit(bus, confirms, monkeypatch):
    for limit in (0.01, 0.02, 0.02):
        monkeypatch.setattr(confirmed, "PUBLISH_TIMEOUT", limit)
        bus.next()
        assert await confirms.publish(TYPING) == {"refused": "TimeoutError"}
    together = [confirms.publish(TYPING) for _ in range(2)]
    monkeypatch.setattr(confirmed, "PUBLISH_TIMEOUT", 0.04)
    together.append(confirms.publish(TYPING))
    assert await asyncio.gather(*together) == [{"refused": "TimeoutError"}] * 3


async def test_a_client_that_waits_no_longer_is_no_hindrance(bus, confirms):
    gone, there = confirms.publish(TYPING), confirms.publish(TYPING)
    gone.cancel()
    bus.confirm.set_result(None)
    assert await there == {}
