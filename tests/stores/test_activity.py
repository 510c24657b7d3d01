"""The activity store, through pymongo, on the MongoDB-wire server that is here."""

import gc
from urllib.parse import urlsplit

import pytest
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from nochat.domain.search_terms import MOST_TERMS
from nochat.errors import Fatal, NochatError, RequestFailed, Unavailable
from nochat.protocol.events import (
    AccountChanged,
    AccountDeleted,
    LogInFailed,
    MemberModerated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserErased,
    UserInvited,
    UserLoggedIn,
    UserNotified,
    UserRegistered,
)
from nochat.protocol.requests import (
    FindRooms,
    GetAccountEvents,
    GetRecords,
    MessageKey,
    RememberedMessage,
    SearchMessages,
)
from nochat.stores import (
    account_events,
    analytics,
    documents,
    messages,
    portions,
    recording,
    reindex,
)
from nochat.stores.activity import ActivityStore
from nochat.stores.mongodb import answering
from tests.databases import by_port
from tests.proxies import proxy

BEGINNING = [
    RoomCreated("lobby", 1, "ana", "Lobby"),
    RoomJoined("lobby", 2, "ana"),
    RoomJoined("lobby", 3, "bob"),
]


def message(position: int, text: str = "hello", client_id: str = "", at: float = 0.0):
    client_id = client_id or f"c{position}"
    return MessageSent("lobby", position, "ana", client_id, text, at=at or 1e9 + position)


@pytest.fixture
async def store(mongodb_url):
    async with ActivityStore.opened(mongodb_url()) as store:
        yield store


async def positions(store, **page):
    page = {"after": None, "before": None, "limit": 500} | page
    history = await store.history("lobby", **page)
    return [entry.position for entry in history.entries], history.more


async def test_history_is_for_members_alone(store):
    await store.record([*BEGINNING, message(4)])
    assert (await positions(store, user="bob"))[0] == [1, 2, 3, 4]
    await store.record([MemberModerated("lobby", 5, "ana", "bob", "ban"), message(6)])
    for user in ("bob", "eve", ""):
        with pytest.raises(RequestFailed, match="only members"):
            await positions(store, user=user)
    assert (await positions(store, user="ana"))[0] == [1, 2, 3, 4, 5, 6]


async def test_entries_are_shown_once_the_members_of_their_time_are_stored(store):
    """The log is written first: an end of membership, and what follows it, may be in it alone."""
    await store.record([*BEGINNING, message(4, "a word")])
    ahead = documents.writes(message(6, "a word"))
    await recording.write(store._db, "log", [write for where, write in ahead if where == "log"])
    assert (await positions(store, user="bob"))[0] == [1, 2, 3, 4]
    hits = await store.search(SearchMessages(user="bob", text="word"))
    assert [entry.position for entry in hits.entries] == [4]


async def test_events_recorded_twice_are_stored_once(store):
    events = [*BEGINNING, *(message(n) for n in range(4, 10))]
    await store.record(events)
    await store.record(events)
    assert await positions(store) == (list(range(1, 10)), False)


async def test_a_message_of_the_same_client_id_is_stored_once(store):
    await store.record([*BEGINNING, message(4, client_id="same")])
    await store.record([message(5, client_id="same"), message(6)])
    assert await positions(store) == ([1, 2, 3, 4, 6], False)


async def test_another_event_at_a_taken_position_is_no_repetition(store):
    """Two chats on one store: whoever comes second must stop, not lose what it acknowledged."""
    await store.record([*BEGINNING, message(4, "the first")])
    with pytest.raises(Fatal, match=r"'lobby' has two entries at position 4: two chats write"):
        await store.record([message(4, "the second", client_id="other")])
    assert (await store.history("lobby", 3, None, 5)).entries[0].text == "the first"


async def test_old_messages_are_found_by_their_senders_id(store):
    await store.record([*BEGINNING, message(4), message(5), message(6)])
    keys = [MessageKey("lobby", "ana", f"c{n}") for n in (4, 6)]
    others = [MessageKey("lobby", "bob", "c4"), MessageKey("lounge", "ana", "c4")]
    assert sorted(await store.find([*others, *keys])) == keys
    assert await store.find(others) == []


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OperationFailure("disk is full", 14031), True),
        (OperationFailure("database or disk is full"), True),
        (OperationFailure("not authorized", 13), True),
        (ExecutionTimeout("too slow", 50), True),
        (WriteError("too large", 10334), False),
        (OperationFailure("a bad value", 2), False),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 28, "errmsg": "no path"}]}), False),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 8, "errmsg": "disk"}]}), True),
        (
            BulkWriteError({"writeConcernErrors": [{"code": 64, "errmsg": "no majority"}]}),
            True,
        ),
    ],
)
async def test_only_what_is_refused_for_its_own_sake_is_not_tried_again(error, passes):
    with pytest.raises(Unavailable if passes else PyMongoError):
        async with answering():
            raise error


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
    history = await store.history("lobby", 3, None, 5)
    assert history.entries == [sent]


async def test_a_controller_learns_all_that_it_must_know(store):
    await store.record([*BEGINNING, message(4), message(5), RoomLeft("lobby", 6, "bob")])
    state = await store.room_state("lobby")
    room = state.room
    assert (room.title, room.position, room.members) == ("Lobby", 6, ["ana"])
    assert state.recent == [RememberedMessage(n, "ana", f"c{n}", at=1e9 + n) for n in (4, 5)]
    assert (await store.room_state("nowhere")).room.position == 0


async def test_a_reading_position_only_grows(store):
    await store.record([*BEGINNING, *(message(n) for n in range(4, 9))])
    await store.record([RoomRead("lobby", "bob", 7), RoomRead("lobby", "bob", 5)])
    [room] = (await store.rooms("bob")).rooms
    assert (room.read, room.unread) == (7, 1)


async def test_own_messages_are_not_unread(store):
    await store.record([*BEGINNING, message(4), message(5)])
    [mine], [theirs] = (await store.rooms("ana")).rooms, (await store.rooms("bob")).rooms
    assert (mine.unread, theirs.unread) == (0, 2)


async def test_mentions_count_until_they_are_read(store):
    mention = UserNotified("bob", "lobby", 4, "ana", "@bob", "mention")
    await store.record([*BEGINNING, message(4, "@bob"), mention])
    await store.record([mention])
    [room] = (await store.rooms("bob")).rooms
    assert room.mentions == 1
    await store.record([RoomRead("lobby", "bob", 4)])
    [room] = (await store.rooms("bob")).rooms
    assert room.mentions == 0


async def test_a_direct_message_is_unread_and_no_mention(store):
    """As the page counts it when it comes."""
    pair = [RoomCreated("dm-1", 1, "eve", "eve & bob", "direct"), RoomJoined("dm-1", 2, "bob")]
    said = MessageSent("dm-1", 3, "eve", "c1", "hello")
    told = UserNotified("bob", "dm-1", 3, "eve", "hello", "direct")
    await store.record([*pair, said, told])
    [room] = (await store.rooms("bob")).rooms
    assert (room.unread, room.mentions) == (1, 0)


async def test_deleted_messages_are_not_unread(store):
    mention = UserNotified("bob", "lobby", 4, "ana", "@bob", "mention")
    await store.record([*BEGINNING, message(4, "@bob"), mention, message(5)])
    await store.record([MessageDeleted("lobby", 6, "ana", target=4)])
    [room] = (await store.rooms("bob")).rooms
    assert (room.unread, room.mentions) == (1, 0)


async def test_trends_count_users_rooms_words_and_hours(store):
    noon = 12 * 3600.0
    await store.record(BEGINNING)
    await store.record([message(4, "Hello hello WORLD a", at=noon), message(5, "hello", at=noon)])
    await store.record([UserConnected("ana", "s1", "g1", at=noon)])
    trends = await store.trends(0, 5)
    assert trends.users == [("ana", 2)]
    assert trends.rooms == [("lobby", 2)]
    assert trends.words == [("hello", 2), ("world", 1)]  # by messages that have them
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


async def test_unread_messages_are_counted_up_to_a_limit(store):
    await store.record([*BEGINNING, *(message(n) for n in range(4, 204))])
    [room] = (await store.rooms("bob")).rooms
    assert room.unread == 100


CHANGES = [
    ReactionChanged("lobby", 6, "bob", 4, "👍", True),
    ReactionChanged("lobby", 7, "ana", 4, "👍", True),
    ReactionChanged("lobby", 8, "ana", 4, "a.$b", True),
    ReactionChanged("lobby", 9, "bob", 4, "👍", False),
    MessageEdited("lobby", 10, "ana", 4, "fresh words", at=2e9),
]


async def test_a_message_shows_what_became_of_it(store):
    await store.record([*BEGINNING, message(4, "old words"), message(5), *CHANGES])
    await store.record(CHANGES)  # as after a crash before the acknowledgement
    [shown] = (await store.history("lobby", 3, None, 1)).entries
    assert (shown.text, shown.edited, shown.deleted) == ("fresh words", 2e9, False)
    assert shown.reactions == {"👍": ["ana"], "a.$b": ["ana"]}


async def test_paging_back_leaves_changes_out_and_catching_up_has_them(store):
    await store.record([*BEGINNING, message(4), message(5), *CHANGES])
    assert await positions(store, before=99, limit=3) == ([3, 4, 5], True)
    assert await positions(store, after=5) == ([6, 7, 8, 9, 10], False)


async def test_a_deleted_text_is_nowhere(store):
    await store.record([*BEGINNING, message(4, "a secret"), message(5), *CHANGES])
    await store.record([MessageDeleted("lobby", 11, "ana", 4)])
    await store.record([CHANGES[-1]])  # late, and once more
    [shown] = (await store.history("lobby", 3, None, 1)).entries
    assert (shown.text, shown.deleted, shown.reactions) == ("", True, {})
    for word in ("secret", "fresh"):
        assert not (await store.search(SearchMessages(user="ana", text=word))).entries
    for name in await store._db.list_collection_names():
        documents = str(await store._db[name].find({}, {"_id": 0}).to_list())
        assert "secret" not in documents
    [said, _] = (await store.room_state("lobby")).recent
    assert said == RememberedMessage(4, "ana", "c4", True, at=said.at)


async def edits(store):
    entries = (await store.history("lobby", 0, None, 500)).entries
    return [entry.text for entry in entries if isinstance(entry, MessageEdited)]


async def stored(store):
    return str([document async for document in store._db["log"].find({}, {"_id": 0})])


TWICE = [
    MessageEdited("lobby", 6, "ana", 4, "a secret"),
    MessageEdited("lobby", 7, "ana", 5, "another"),
    MessageEdited("lobby", 8, "ana", 4, "the last"),
]


@pytest.mark.parametrize("batches", [[TWICE], [[event] for event in TWICE]])
async def test_a_text_before_an_edit_is_nowhere_even_if_it_is_redelivered(store, batches):
    await store.record([*BEGINNING, message(4, "a draft"), message(5, "a draft")])
    for batch in batches:
        await store.record(batch)
    for late in (TWICE[:1], TWICE[:2], TWICE):
        await store.record(late)
        assert await edits(store) == ["the last", "another", "the last"]
        assert "secret" not in await stored(store)
        assert "draft" not in await stored(store)
        assert await search(store, "secret") == ([], False)
    assert await search(store, "last") == ([4], False)
    assert (await positions(store, after=5))[0] == [6, 7, 8]
    page = await store.history("lobby", 5, None, 1)  # of which the message is no part
    assert [entry.text for entry in page.entries] == ["the last"]


async def test_an_edit_of_a_message_that_was_deleted_keeps_its_place_and_no_text(store):
    await store.record([*BEGINNING, message(4), message(5), *TWICE])
    await store.record([MessageDeleted("lobby", 9, "ana", 4)])
    await store.record(TWICE)
    assert await edits(store) == ["", "another", ""]
    assert (await positions(store, after=3))[0] == [4, 5, 6, 7, 8, 9]
    assert "the last" not in await stored(store)


async def test_edits_that_are_far_apart_are_read_by_few_questions():
    assert [*messages.runs([])] == []
    assert [*messages.runs([4, 5, 20, 100, 200, 201])] == [(4, 20), (100, 100), (200, 201)]


async def test_edit_histories_of_older_versions_are_hidden_and_removed(store, monkeypatch):
    monkeypatch.setattr(reindex, "MANY", 2)
    await store.record([*BEGINNING, message(4), message(5), *TWICE])
    older = {"$set": {"text": "a secret"}}
    await store._db["log"].update_many({"type": documents.EDIT}, older)
    assert await edits(store) == ["the last", "another", "the last"]  # also before it is done
    async with store.reindexing() as done:
        await done
    assert "secret" not in await stored(store)
    assert await edits(store) == ["the last", "another", "the last"]


async def test_a_message_that_the_store_takes_for_another_is_not_lost_in_silence(store):
    """Of a text with a NUL in it, the embedded server compares what precedes that."""
    await store.record([*BEGINNING, message(4, client_id="id\0a")])
    try:
        await store.record([message(5, client_id="id\0b")])
    except NochatError as refused:
        assert "takes entry 5 of room 'lobby' for another" in str(refused)  # noqa: PT017
    else:
        assert await positions(store) == ([1, 2, 3, 4, 5], False)


async def search(store, text, user="ana", **asked):
    answer = await store.search(SearchMessages(user=user, text=text, **asked))
    return [entry.position for entry in answer.entries], answer.more


async def test_search_finds_all_the_words_the_last_one_by_its_beginning(store):
    texts = ["Grüße aus Málaga", "aus grüße", "the aus", "$where .* grüß"]
    await store.record([*BEGINNING, *(message(4 + n, text) for n, text in enumerate(texts))])
    assert await search(store, "GRÜSSE aus") == ([5, 4], False)
    assert await search(store, "aus grü") == ([5, 4], False)
    assert await search(store, "aus", limit=2) == ([6, 5], True)
    assert await search(store, "aus", before=1e9 + 6) == ([5, 4], False)
    assert await search(store, ".*") == ([], False)
    assert await search(store, "where") == ([7], False)


async def test_search_sees_only_rooms_that_the_user_is_in(store):
    other = [
        RoomCreated("den", 1, "eve", "Den", "private"),
        RoomJoined("den", 2, "eve"),
        MessageSent("den", 3, "eve", "c", "treasure"),
    ]
    await store.record([*BEGINNING, message(4, "treasure"), *other])
    assert await search(store, "treasure") == ([4], False)
    assert await search(store, "treasure", room="den") == ([], False)
    assert await search(store, "treasure", user="eve") == ([3], False)


async def test_a_user_sees_their_own_rooms_and_those_they_are_invited_to(store):
    den = [RoomCreated("den", 1, "eve", "Den", "private"), RoomJoined("den", 2, "eve")]
    hut = [RoomCreated("hut", 1, "eve", "Hut"), RoomJoined("hut", 2, "eve")]
    await store.record([*BEGINNING, *den, *hut])
    assert [room.room for room in (await store.rooms("bob")).rooms] == ["lobby"]
    await store.record([UserInvited("den", 3, "eve", "bob", "Den", "private")])
    [room, _] = (await store.rooms("bob")).rooms
    assert (room.room, room.invited, room.kind, room.owner) == ("den", True, "private", "eve")
    assert (room.members, room.muted, room.banned) == ([], [], [])
    await store.record([RoomJoined("den", 4, "bob")])
    [room, _] = (await store.rooms("bob")).rooms
    assert (room.invited, room.members) == (False, ["eve", "bob"])


async def test_one_room_is_listed_for_users_that_may_see_it(store):
    den = [RoomCreated("den", 1, "eve", "Den", "private"), RoomJoined("den", 2, "eve")]
    await store.record([*BEGINNING, *den])
    assert [room.room for room in (await store.rooms("eve", "den")).rooms] == ["den"]
    assert (await store.rooms("bob", "den")).rooms == []


async def test_moderation_is_kept(store):
    acts = ["mute", "kick"]
    acts = [MemberModerated("lobby", 4 + n, "ana", "bob", act) for n, act in enumerate(acts)]
    await store.record([*BEGINNING, *acts])
    info = (await store.room_state("lobby")).room
    assert (info.members, info.muted, info.banned) == (["ana"], ["bob"], [])
    acts = ["unmute", "ban"]
    await store.record(
        [MemberModerated("lobby", 6 + n, "ana", "bob", act) for n, act in enumerate(acts)]
    )
    info = (await store.room_state("lobby")).room
    assert (info.muted, info.banned) == ([], ["bob"])
    await store.record([MemberModerated("lobby", 8, "ana", "bob", "unban")])
    assert (await store.room_state("lobby")).room.banned == []


async def test_trends_count_the_newest_and_say_since_when(store, monkeypatch):
    monkeypatch.setattr(analytics, "MANY", 3)
    at = 2e9  # newer than what began the room
    await store.record([*BEGINNING, *(message(n, "tea", at=at + n // 2) for n in range(4, 14))])
    whole = await store.trends(at, 5)  # some of one part are at the very time that the next ends
    assert (whole.messages, whole.since, whole.titles) == (10, at, {"lobby": "Lobby"})
    monkeypatch.setattr(analytics, "MOST_ENTRIES", 6)
    cut = await store.trends(at, 5)
    assert 6 <= cut.messages < 10
    assert cut.since > at
    monkeypatch.setattr(analytics, "MOST_SECONDS", 0.0)
    assert (await store.trends(at, 5)).messages < 6


async def test_public_rooms_come_by_pages_and_by_their_titles(store):
    titles = {"ash": "Ash", "birch": "BIRCH café", "cedar": "Cedar (old)", "den": "Den"}
    made = [
        entry
        for room, title in titles.items()
        for entry in (
            RoomCreated(room, 1, "eve", title, "private" if room == "den" else "public"),
            RoomJoined(room, 2, "eve"),
        )
    ]
    await store.record([*BEGINNING, *made])

    async def listed(text="", **page):
        answer = await store.find_rooms(FindRooms(text=text, **page))
        return [room.room for room in answer.rooms], answer.more

    assert await listed() == (["ash", "birch", "cedar", "lobby"], False)
    assert await listed(limit=2) == (["ash", "birch"], True)
    assert await listed(limit=2, after="birch") == (["cedar", "lobby"], False)
    assert await listed(text="birch CAFE") == (["birch"], False)
    assert await listed(text="(old)") == (["cedar"], False)
    assert await listed(text=".*") == ([], False)
    assert await listed(only="cedar") == (["cedar"], False)
    assert await listed(only="den") == ([], False)
    [ash, *_] = (await store.find_rooms(FindRooms())).rooms
    assert (ash.title, ash.owner, ash.members) == ("Ash", "eve", 1)
    assert [room.room for room in (await store.all_rooms("e", "birch", 1)).rooms] == ["cedar"]
    assert (await store.all_rooms("e", "birch", 1)).more


async def test_nothing_is_left_of_a_deleted_room_but_its_id(store):
    await store.record([*BEGINNING, message(4, "treasure @bob")])
    await store.record([UserNotified("bob", "lobby", 4, "ana", "treasure", "mention")])
    deleted = RoomDeleted("lobby", 5, "boss", "Lobby")
    await store.record([RoomRead("lobby", "bob", 3), deleted])
    await store.record([deleted])  # delivered once more
    assert [entry.position for entry in (await store.history("lobby", 0, None, 50)).entries] == [5]
    assert (await store.rooms("bob")).rooms == []
    assert (await store.all_rooms()).rooms == []
    assert (await store.find_rooms(FindRooms())).rooms == []
    assert await search(store, "treasure") == ([], False)
    state = await store.room_state("lobby")
    assert (state.room.deleted, state.room.title, state.room.position) == (True, "Lobby", 5)
    for name in ("mentions", "reads"):
        assert not await store._db[name].find_one({"room": "lobby"})


async def test_trends_are_of_public_rooms(store):
    den = [RoomCreated("den", 1, "eve", "Den", "private"), RoomJoined("den", 2, "eve")]
    await store.record([*BEGINNING, *den, MessageSent("den", 3, "eve", "c", "treasure")])
    trends = await store.trends(0, 5)
    assert (trends.users, trends.words, trends.messages) == ([], [], 0)


async def test_managers_see_every_room_but_those_of_two(store):
    pair = [RoomCreated("dm-1", 1, "eve", "eve & bob", "direct"), RoomJoined("dm-1", 2, "eve")]
    den = [RoomCreated("den", 1, "eve", "Den", "private")]
    await store.record([*BEGINNING, *den, *pair])
    assert [room.room for room in (await store.all_rooms()).rooms] == ["den", "lobby"]


async def test_any_text_may_be_looked_for_in_titles(store):
    """MongoDB itself refuses a pattern with a NUL in it."""
    await store.record([*BEGINNING, RoomCreated("odd", 1, "eve", "a (b] \\ $c")])
    assert (await store.find_rooms(FindRooms(text="lob\0by"))).rooms == []
    for text in ("(b]", "\\", "$C"):
        assert [room.room for room in (await store.find_rooms(FindRooms(text=text))).rooms] == [
            "odd"
        ]


# A check of the server that was under way when its client was closed leaves its socket open.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit(
    mongodb_url, monkeypatch
):
    monkeypatch.setattr("nochat.stores.mongodb.ANSWER_SECONDS", 0.5)
    url = mongodb_url()
    with proxy(urlsplit(url).port or 27017) as way:
        async with ActivityStore.opened(by_port(url, way.port)) as store:
            await store.record(BEGINNING)
            way.silent = True
            # On the connection that there is, and on a new one.
            with pytest.raises(Unavailable, match=r"timed out\); is it running"):
                await store.record([*BEGINNING, message(4)])
            with pytest.raises(Unavailable, match="NOCHAT_ACTIVITY_URL"):
                await store.room_state("lobby")
            way.silent = False
            await store.record([*BEGINNING, message(4)])
            assert await positions(store) == ([1, 2, 3, 4], False)
    gc.collect()


# ---- search in every script, and what older versions stored -------------------------------------

TEXTS = ["今天天气很好", "una canción", "हिन्दी में", "हनद अनदर", "محمّد هنا", "Grüße"]


@pytest.mark.parametrize(
    ("searched", "places"),
    [
        ("天气", [0]),
        ("天", [0]),
        ("cancion", [1]),
        ("CANCIÓN", [1]),
        ("हिन्दी", [2]),
        ("محمد", [4]),
        ("天好", []),
    ],
)
async def test_search_finds_words_of_any_script(store, searched, places):
    await store.record([*BEGINNING, *(message(4 + n, text) for n, text in enumerate(TEXTS))])
    assert await search(store, searched) == ([4 + place for place in places], False)


async def test_an_edited_message_is_found_by_its_new_text_alone(store):
    edit = MessageEdited("lobby", 5, "ana", 4, "otra canción")
    await store.record([*BEGINNING, message(4, "今天天气"), edit])
    assert await search(store, "天气") == ([], False)
    assert await search(store, "cancion") == ([4], False)


async def as_before(store, count):
    """A log as the version before left it."""
    await store.record([*BEGINNING, *(message(4 + n, TEXTS[n % 6]) for n in range(count))])
    older = {"$set": {"words": ["old"]}, "$unset": {"terms": ""}}
    await store._db["log"].update_many({"type": documents.MESSAGE}, older)
    await store._db["log"].create_index([("words", 1), ("room", 1)])
    twice = [{"emoji": "❤", "user": "bob"}, {"emoji": "❤\ufe0f", "user": "bob"}]
    await store._db["log"].update_one({"position": 4}, {"$set": {"reactions": twice}})


async def test_messages_of_older_versions_are_found_after_the_start(store, monkeypatch):
    monkeypatch.setattr(portions, "FIRST", 4)
    await as_before(store, 12)
    assert await search(store, "cancion") == ([], False)
    [shown] = (await store.history("lobby", 3, None, 1)).entries
    assert shown.reactions == {"❤\ufe0f": ["bob"]}  # also before it is done
    async with store.reindexing() as done:
        await done
    assert await search(store, "cancion") == ([11, 5], False)
    [document] = await store._db["log"].find({"position": 4}).to_list()
    assert document["reactions"] == [{"emoji": "❤\ufe0f", "user": "bob"}]
    assert document["words"] == []
    assert reindex.OLD_INDEX not in await store._db["log"].index_information()


async def test_a_reindex_that_was_interrupted_goes_on_and_is_done_once(store, monkeypatch):
    monkeypatch.setattr(portions, "FIRST", 4)
    await as_before(store, 12)
    writes = reindex._writes

    def fail(message):
        if message["text"] == TEXTS[5]:
            raise ConnectionFailure("gone")
        return writes(message)

    with monkeypatch.context() as patch:
        patch.setattr(reindex, "_writes", fail)
        with pytest.raises(ConnectionFailure):
            await reindex.reindex(store._db)
    assert 0 < await reindex.reindex(store._db) < 12  # the rest
    assert await search(store, "cancion") == ([11, 5], False)
    await store._db["log"].update_one({"position": 5}, {"$unset": {"terms": ""}})
    assert await reindex.reindex(store._db) == 0


async def test_changes_during_a_reindex_are_kept(store, monkeypatch):
    await as_before(store, 3)
    writes = reindex._writes

    def late(message):
        yield from writes(message | {"text": "what it was before"})

    with monkeypatch.context() as patch:
        patch.setattr(reindex, "_writes", late)
        await reindex.reindex(store._db)
    assert not await store._db[reindex.MIGRATIONS].find_one()
    await reindex.reindex(store._db)
    assert await search(store, "cancion") == ([5], False)
    assert await store._db[reindex.MIGRATIONS].find_one()


async def test_all_terms_of_a_text_and_rooms_without_their_id_are_of_older_versions(store):
    await store.record([*BEGINNING, message(4, " ".join(f"w{n}" for n in range(600)))])
    log, rooms = store._db["log"], store._db["rooms"]
    every = {"$set": {"terms": [f"w{n}" for n in range(600)]}}
    await log.update_one({"position": 4}, every)
    await rooms.update_one({"_id": "lobby"}, {"$unset": {"room": "", "sought": ""}})
    assert await reindex.reindex(store._db) == 1
    [document] = await log.find({"position": 4}).to_list()
    assert document["terms"] == [f"w{n}" for n in range(MOST_TERMS)]
    [lobby] = (await store.find_rooms(FindRooms(text="LOB", after="a"))).rooms
    assert lobby.room == "lobby"
    assert await reindex.reindex(store._db) == 0


@pytest.mark.parametrize("seconds", [9.0, 0.0])
async def test_a_search_goes_through_portions_or_ends_in_time(store, monkeypatch, seconds):
    monkeypatch.setattr(portions, "FIRST", 2)
    said = [message(4 + n, f"one two three four 五 六七 {n}") for n in range(20)]
    await store.record([*BEGINNING, *said])
    monkeypatch.setattr(analytics, "MOST_SECONDS", seconds)
    if not seconds:
        with pytest.raises(RequestFailed, match="takes too long"):
            await search(store, "one 7")
        return
    assert await search(store, "one 7") == ([11], False)
    assert await search(store, "one two three four 五 六 1", limit=3) == ([23, 22, 21], True)
    assert await search(store, "one two three four 七 五 19", limit=3) == ([23], False)
    assert await search(store, "one two three five 1") == ([], False)


# ---- accounts that are deleted ------------------------------------------------------------------

GONE = "~deleted-0123456789abcdef"

OF_ANA = [
    *BEGINNING,
    MessageSent("lobby", 4, "ana", "c4", "by ana"),
    MessageSent("lobby", 5, "bob", "c5", "by bob"),
    MessageEdited("lobby", 6, "ana", 4, "by ana, edited"),
    ReactionChanged("lobby", 7, "ana", 5, "👍", True),
    ReactionChanged("lobby", 8, "bob", 5, "👍", True),
    UserInvited("lobby", 9, "bob", "ana", "Lobby"),
    MemberModerated("lobby", 10, "bob", "ana", "mute"),
    RoomRead("lobby", "ana", 5),
    RoomRead("lobby", "bob", 5),
    UserNotified("ana", "lobby", 5, "bob", "by bob", "mention"),
    UserNotified("bob", "lobby", 4, "ana", "by ana", "mention"),
    UserConnected("ana", "s1", "g1"),
    UserConnected("bob", "s2", "g1"),
    RoomCreated("dm-1", 1, "ana", "ana & bob", "direct"),
    RoomJoined("dm-1", 2, "ana"),
    RoomJoined("dm-1", 3, "bob"),
    MessageSent("dm-1", 4, "ana", "d4", "between us"),
    RoomCreated("hers", 1, "ana", "Hers", "private"),
    RoomJoined("hers", 2, "ana"),
    RoomJoined("hers", 3, "bob"),
    RoomLeft("hers", 4, "ana"),
    UserRegistered("ana"),
    LogInFailed("ana"),
    AccountChanged("bob", "ana", "user", banned=False),
]
ERASURE = [
    AccountDeleted("ana", GONE),
    UserErased("lobby", 11, "ana", GONE),
    UserErased("dm-1", 5, "ana", GONE, f"{GONE} & bob"),
    UserErased("hers", 5, "ana", GONE),
]


async def documents_with(store, name):
    traces = []
    for collection in ("log", "rooms", "reads", "mentions", "connections", "account_events"):
        async for document in store._db[collection].find():
            # What people wrote stays as they wrote it, and so the words by which it is found.
            shown = {
                key: document[key] for key in document.keys() - {"text", "terms", "words", "found"}
            }
            traces += [(collection, shown)] * (name in repr(shown))
    return traces


@pytest.mark.parametrize("batches", ["one", "each", "twice"])
async def test_nothing_but_messages_is_left_of_an_account_and_no_name(store, batches):
    assert await store.traces("ana") == []
    await store.record(OF_ANA)
    assert await store.traces("ana") == ["dm-1", "hers", "lobby"]
    if batches == "each":
        for event in ERASURE:
            await store.record([event])
    else:
        await store.record(ERASURE)
    if batches == "twice":  # a delivery is repeated from where it was interrupted
        await store.record([*OF_ANA, *ERASURE])
        await store.record(ERASURE)
    assert await documents_with(store, "ana") == []
    assert await store.traces("ana") == []
    entries = (await store.history("lobby", None, None, 500)).entries
    said = {entry.position: entry for entry in entries if isinstance(entry, MessageSent)}
    assert (said[4].sender, said[4].text) == (GONE, "by ana, edited")
    assert said[5].reactions == {"👍": ["bob"]}
    after = (await store.history("lobby", 5, None, 500)).entries
    assert {entry.user for entry in after if isinstance(entry, ReactionChanged)} == {"bob"}
    (erased,) = [entry for entry in after if isinstance(entry, UserErased)]
    assert (erased.user, erased.deleted_as) == (GONE, GONE)
    rooms = {room.room: room for room in (await store.rooms("bob")).rooms}
    assert (rooms["lobby"].members, rooms["lobby"].muted) == (["bob"], [])
    assert (rooms["hers"].owner, rooms["hers"].members) == ("", ["bob"])
    assert ({*rooms["dm-1"].members}, rooms["dm-1"].title) == ({GONE, "bob"}, f"{GONE} & bob")
    assert rooms["lobby"].read == 5
    assert {*(await store.trends(0, 10)).users} == {(GONE, 1), ("bob", 1)}


async def test_late_messages_are_erased_when_the_deletion_is_repeated(store):
    await store.record([*OF_ANA, *ERASURE])
    late = [
        UserDisconnected("ana", "s1", "g1", 5.0),
        UserNotified("bob", "dm-1", 4, "ana", "between us", "direct"),
        RoomRead("lobby", "ana", 5),
        RoomJoined("lobby", 12, "ana"),
        MessageSent("lobby", 13, "ana", "c13", "too late"),
    ]
    await store.record(late)
    assert await store.traces("ana") == ["lobby"]
    await store.record([ERASURE[0], UserErased("lobby", 14, "ana", GONE)])
    assert await documents_with(store, "ana") == []


async def account_log(store, **asked):
    return (await store.account_events(GetAccountEvents(**asked))).entries


async def test_the_log_of_accounts_comes_by_pages_and_forgets_what_is_old(store):
    day = 86_400.0
    events = [UserRegistered("ana", at=day), UserLoggedIn("ana", at=2 * day)]
    events += [LogInFailed("", unsaid=7, at=3 * day), LogInFailed("ana", at=4 * day)]
    await store.record([*events, *events])
    await store.record([UserConnected("ana", f"s{at}", "g", at=at * day) for at in (1, 4)])
    log = await account_log(store)
    assert [(entry.event, entry.user, entry.unsaid) for entry in log] == [
        ("user.log-in-failed", "ana", 0),
        ("user.log-in-failed", "", 7),
        ("user.logged-in", "ana", 0),
        ("user.registered", "ana", 0),
    ]
    assert await account_log(store, before=log[1].mark, limit=1) == log[2:3]
    assert await account_log(store, user="ana", event="user.log-in-failed") == log[:1]
    await account_events.forget(store._db, days=2, now=4.5 * day)
    assert await account_log(store) == log[:2]
    assert [document["at"] async for document in store._db["connections"].find()] == [4 * day]


async def test_of_a_deleted_account_the_log_has_the_end_alone_and_once(store):
    gone = {"at": 5.0}
    await store.record([UserRegistered("ana", at=1.0), AccountChanged("bob", "ana", "user", True)])
    for _ in range(2):  # it is said again and again
        await store.record([AccountDeleted("ana", GONE, **gone)])
    log = await account_log(store)
    assert [(entry.event, entry.user, entry.by) for entry in log] == [
        ("user.account-changed", "bob", GONE),
        ("user.account-deleted", GONE, ""),
    ]


async def test_the_records_of_one_user_come_page_by_page(store):
    await store.record([*OF_ANA, RoomRead("hers", "anabel", 1), UserConnected("anabel", "s", "g")])

    async def all_of(kind, room=""):
        records, after = [], None
        while True:
            asked = GetRecords(user="ana", kind=kind, room=room, after=after, limit=1)
            page = await store.records(asked)
            records += page.records
            if (after := page.after) is None:
                return records

    await store.record([MessageSent("lobby", 11, "ana", "c11", "more")])
    assert [record["text"] for record in await all_of("messages", "lobby")] == [
        "more",
        "by ana, edited",
    ]
    assert await all_of("messages", "nowhere") == []
    assert await all_of("reads") == [{"room": "lobby", "position": 5}]
    (mention,) = await all_of("mentions")
    assert (mention["position"], mention["reason"], len(mention)) == (5, "mention", 4)
    assert [record["type"] for record in await all_of("connections")] == ["user.connected"]
