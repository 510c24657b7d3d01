"""A service that loses its broker while it starts waits for it, as it does later."""

import itertools
import sys
from urllib.parse import urlsplit

import pytest

from nochat.bus import connect
from nochat.lab import checks
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import GetRoomState, RoomInfo, RoomState
from nochat.runtime import bootstrap
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import message
from tests.proxies import proxy

EVERY = 5  # answers of the broker; a start takes some hundred


@pytest.mark.slow
async def test_a_broker_that_goes_during_a_start_is_waited_for(rabbitmq_server, tmp_path):
    real = urlsplit(rabbitmq_server.url)
    heard: list[int] = []
    service = Service(f"probe-{new_id()}")

    @service.on(MessageSent)
    async def hear(event: MessageSent) -> None:
        heard.append(event.position)

    @service.on(GetRoomState)
    async def state(request: GetRoomState) -> RoomState:
        return RoomState(room=RoomInfo(room=request.room))

    async with connect(rabbitmq_server.url) as others:
        with proxy(real.port) as way:
            url = rabbitmq_server.url.replace(f":{real.port}", f":{way.port}")
            settings = Settings(bus_url=url, data_dir=str(tmp_path))
            for starts, answers in enumerate(itertools.count(EVERY, EVERY)):
                way.answers = answers
                async with bootstrap.started([service], settings):
                    broke, way.answers = way.answers > answers, sys.maxsize
                    await others.publish(message(starts))
                    assert await checks.until(lambda n=starts: len(heard) > n)
                if not broke:
                    break
    assert heard == list(range(starts + 1)), "each once, as each start consumes once"
    assert starts > 10, "it broke at many places"
