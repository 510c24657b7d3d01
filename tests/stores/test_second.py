"""The copy in a second MongoDB: what its service can count on while that is away."""

import gc
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from nochat.errors import Unavailable
from nochat.protocol.events import RoomCreated, RoomJoined
from nochat.stores.activity import ActivityStore
from nochat.stores.second import SecondStore
from tests.databases import by_port
from tests.proxies import proxy

EVENTS = [RoomCreated("lobby", 1, "ana", "Lobby"), RoomJoined("lobby", 2, "ana")]


# A check of the server that was under way when its client was closed leaves its socket open.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit(
    mongodb_url, monkeypatch
):
    monkeypatch.setattr("nochat.stores.mongodb.ANSWER_SECONDS", 0.5)
    url = mongodb_url()
    with proxy(urlsplit(url).port or 27017) as way:
        async with AsyncExitStack() as stack:
            store = SecondStore(by_port(url, way.port), stack)
            for events in (EVENTS[:1], EVENTS):  # while it opens, and once it is open
                way.silent = True
                with pytest.raises(Unavailable, match="NOCHAT_REPLICA_URL"):
                    await store.record(events)
                way.silent = False
                await store.record(events)
    async with ActivityStore.opened(url) as copy:
        assert (await copy.history("lobby", 0, None, 5)).entries == EVENTS
    gc.collect()
