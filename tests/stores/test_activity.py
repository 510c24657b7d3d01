"""The activity store, through pymongo, on the MongoDB-wire server that is here."""

import gc

import pytest

from nochat.errors import NochatError, Unavailable
from nochat.events import (
    MessageSent,
    RoomCreated,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserConnected,
    UserMentioned,
    new_id,
)
from nochat.stores.activity import ActivityStore

BEGINNING = [
    RoomCreated("lobby", 1, "ana", "Lobby"),
    RoomJoined("lobby", 2, "ana"),
    RoomJoined("lobby", 3, "bob"),
]


def message(position: int, text: str = "hello", client_id: str = "", at: float = 0.0):
    client_id = client_id or f"c{position}"
    return MessageSent("lobby", position, "ana", client_id, text, at=at or 1e9 + position)


@pytest.fixture
async def store(mongodb_server):
    async with ActivityStore.opened(f"{mongodb_server.url}/t{new_id()[:12]}") as store:
        yield store


async def positions(store, **page):
    page = {"after": None, "before": None, "limit": 500} | page
    found = await store.history("lobby", **page)
    return [entry.position for entry in found.entries], found.more


async def test_what_is_recorded_twice_is_there_once(store):
    events = [*BEGINNING, *(message(n) for n in range(4, 10))]
    await store.record(events)
    await store.record(events)
    assert await positions(store) == (list(range(1, 10)), False)


async def test_a_message_of_the_same_client_id_is_stored_once(store):
    await store.record([*BEGINNING, message(4, client_id="same")])
    await store.record([message(5, client_id="same"), message(6)])
    assert await positions(store) == ([1, 2, 3, 4, 6], False)


async def test_history_pages_both_ways(store):
    await store.record([*BEGINNING, *(message(n) for n in range(4, 21))])
    assert await positions(store, limit=5) == ([16, 17, 18, 19, 20], True)
    assert await positions(store, before=16, limit=5) == ([11, 12, 13, 14, 15], True)
    assert await positions(store, before=3, limit=5) == ([1, 2], False)
    assert await positions(store, after=17, limit=5) == ([18, 19, 20], False)
    assert await positions(store, after=3, limit=5) == ([4, 5, 6, 7, 8], True)


async def test_an_entry_comes_back_as_it_was(store):
    sent = message(4, text="“ñ” 🦙 <b> \n $where")
    await store.record([*BEGINNING, sent])
    found = await store.history("lobby", 3, None, 5)
    assert found.entries == [sent]


async def test_a_controller_learns_all_that_it_must_know(store):
    await store.record([*BEGINNING, message(4), message(5), RoomLeft("lobby", 6, "bob")])
    state = await store.room_state("lobby")
    assert (state.title, state.position, state.members) == ("Lobby", 6, ["ana"])
    assert state.recent == [("ana", "c4"), ("ana", "c5")]
    assert (await store.room_state("nowhere")).position == 0


async def test_a_reading_position_only_grows(store):
    await store.record([*BEGINNING, *(message(n) for n in range(4, 9))])
    await store.record([RoomRead("lobby", "bob", 7), RoomRead("lobby", "bob", 5)])
    [room] = (await store.rooms("bob")).rooms
    assert (room.read, room.unread) == (7, 1)


async def test_what_one_wrote_is_not_unread_to_oneself(store):
    await store.record([*BEGINNING, message(4), message(5)])
    [mine], [theirs] = (await store.rooms("ana")).rooms, (await store.rooms("bob")).rooms
    assert (mine.unread, theirs.unread) == (0, 2)


async def test_mentions_count_until_they_are_read(store):
    mention = UserMentioned("bob", "lobby", 4, "ana", "@bob")
    await store.record([*BEGINNING, message(4, "@bob"), mention])
    await store.record([mention])
    [room] = (await store.rooms("bob")).rooms
    assert room.mentions == 1
    await store.record([RoomRead("lobby", "bob", 4)])
    [room] = (await store.rooms("bob")).rooms
    assert room.mentions == 0


async def test_trends_count_users_rooms_words_and_hours(store):
    noon = 12 * 3600.0
    await store.record(BEGINNING)
    await store.record([message(4, "Hello hello WORLD a", at=noon), message(5, "hello", at=noon)])
    await store.record([UserConnected("ana", "s1", "g1", at=noon)])
    trends = await store.trends(0, 5)
    assert trends.users == [("ana", 2)]
    assert trends.rooms == [("lobby", 2)]
    assert trends.words == [("hello", 3), ("world", 1)]
    assert trends.hours == [(12, 2)]
    assert (trends.messages, trends.connections) == (2, 1)
    assert (await store.trends(noon + 1, 5)).messages == 0


# pymongo 4 leaves the socket of an attempt to connect open when its client is closed meanwhile.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_server_that_is_not_there(unused_tcp_port):
    with pytest.raises(Unavailable, match="NOCHAT_ACTIVITY_URL"):
        async with ActivityStore.opened(f"mongodb://127.0.0.1:{unused_tcp_port}/x"):
            pass
    gc.collect()


@pytest.mark.parametrize("url", ["", "http://x", "mongodb://"])
async def test_a_url_that_is_none(url):
    with pytest.raises(NochatError, match="mongodb://host:port/database"):
        async with ActivityStore.opened(url):
            pass


async def test_what_is_unread_is_counted_up_to_a_limit(store):
    await store.record([*BEGINNING, *(message(n) for n in range(4, 204))])
    [room] = (await store.rooms("bob")).rooms
    assert room.unread == 100
