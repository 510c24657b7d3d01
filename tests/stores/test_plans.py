"""What the store asks of its server: by which index, how often, and how much it reads."""

import functools

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from nochat.domain.room import Room
from nochat.protocol.events import (
    MessageDeleted,
    MessageEdited,
    MessageSent,
    RoomCreated,
    RoomJoined,
    RoomRead,
    UserNotified,
)
from nochat.protocol.requests import SearchMessages
from nochat.stores import activity, analytics, full_text
from nochat.stores.activity import ActivityStore

A_MONTH = 30 * 86_400.0


class Commands(CommandListener):
    """Notes what a client sends, and how many documents come back."""

    def __init__(self) -> None:
        self.sent, self.returned = [], 0

    def started(self, event):
        """Called by pymongo."""
        self.sent.append(event.command)

    def succeeded(self, event):
        """Called by pymongo."""
        cursor = event.reply.get("cursor", {})
        self.returned += len([*cursor.get("firstBatch", ()), *cursor.get("nextBatch", ())])

    def failed(self, event):
        """Called by pymongo."""

    def named(self, name):
        return [command for command in self.sent if name in command]

    def clear(self):
        self.sent.clear()
        self.returned = 0


@pytest.fixture
def commands(monkeypatch):
    listener = Commands()
    heard = functools.partial(AsyncMongoClient, event_listeners=[listener])
    monkeypatch.setattr("nochat.stores.mongodb.AsyncMongoClient", heard)
    return listener


@pytest.fixture
async def store(mongodb_url, commands):
    async with ActivityStore.opened(mongodb_url()) as store:
        yield store


def room(name, *members):
    joined = [RoomJoined(name, 2 + n, member) for n, member in enumerate(members)]
    return [RoomCreated(name, 1, "ana", name.title()), *joined]


def said(room, position, text="hello there", at=0.0):
    return MessageSent(
        room, position, "ana", f"{room}-{position}", text, at=at or 1.7e9 + 10 * position
    )


async def plan(store, command):
    """How the server answers a question that it was asked."""
    kept = ("find", "filter", "sort", "limit", "skip", "projection")
    asked = {name: command[name] for name in kept if name in command}
    if "count" in command:
        asked = {"find": command["count"], "filter": command["query"]}
    answer = await store._db.command({"explain": asked})
    return str(answer["queryPlanner"]["winningPlan"])


async def rooms_and_messages(store):
    events = [*room("lobby", "ana", "bob"), *room("den", "ana", "bob")]
    events += [said("lobby", n, f"hello w{n % 7}") for n in range(4, 300)]
    events += [said("den", n, "good evening") for n in range(4, 60)]
    mention = UserNotified("bob", "den", 9, "ana", "good evening", "mention")
    await store.record([*events, mention, RoomRead("lobby", "bob", 100)])


async def test_questions_are_answered_by_an_index_not_by_reading_everything(store, commands):
    await rooms_and_messages(store)
    commands.clear()
    await store.history("lobby", None, None, 50, "bob")
    await store.history("lobby", None, 120, 50, "bob")
    await store.history("lobby", 120, None, 50, "bob")
    await store.search(SearchMessages(user="bob", text="w3"))
    await store.search(SearchMessages(user="bob", text="nobody said this", room="den"))
    await store.rooms("bob")
    await store.trends(0, 10)
    await store.room_states(["lobby", "den"])
    questions = commands.named("find")
    assert {question["find"] for question in questions} == {"log", "reads", "rooms"}
    assert {question["count"] for question in commands.named("count")} == {"log", "mentions"}
    for question in commands.named("count"):
        how = await plan(store, question)
        assert "USING INDEX" in how or "IXSCAN" in how, question
    for question in questions:
        if question["find"] == "rooms" and "_id" not in question["filter"] and store._embedded:
            continue  # it has no index of a room's members: one reading of the rooms, not of a log
        if not question["filter"] and store._embedded:  # it explains the filter, not the order
            assert (list(question["sort"]), question["limit"]) == (["at"], 1)
            continue
        how = await plan(store, question)
        assert "COLLSCAN" not in how, question
        assert f"SCAN {question['find']}'" not in how, (question, how)
        assert "USING INDEX" in how or "IXSCAN" in how or "VIRTUAL TABLE INDEX" in how, question


async def test_a_search_reads_little_of_a_long_log(store, commands, monkeypatch):
    monkeypatch.setattr(analytics, "NEWEST", (20, 40))
    seldom = {70: "a zebra", 71: "another zebra", 400: "the zebra"}
    events = [said("lobby", n, seldom.get(n, f"hello w{n}")) for n in range(4, 1000)]
    await store.record([*room("lobby", "ana", "bob"), *events])

    async def cost(text):
        commands.clear()
        found = await store.search(SearchMessages(user="bob", text=text))
        return [entry.position for entry in found.entries], commands.returned, len(commands.sent)

    for text, positions in (("zebra", [400, 71, 70]), ("nobody", []), ("the zebra", [400])):
        there, returned, asked = await cost(text)
        assert there == positions
        if store._embedded:  # MongoDB has an index of each term, and was not counted
            assert returned < 10
            assert asked < 12
    there, returned, asked = await cost("hello")
    assert there == [*range(999, 979, -1)]
    if store._embedded:
        assert returned < 60
        assert asked < 8


async def test_a_batch_is_one_write_of_each_collection_and_of_each_room(store, commands):
    names = ["lobby", "den", "hut"]
    await store.record([event for name in names for event in room(name, "ana", "bob")])
    commands.clear()
    batch = [said(names[n % 3], 4 + n) for n in range(200)]
    batch += [RoomRead("lobby", "bob", 4 + n) for n in range(0, 90, 3)]
    await store.record(batch)
    assert [command["insert"] for command in commands.named("insert")] == ["log"]
    updates = {command["update"]: command["updates"] for command in commands.named("update")}
    assert len(commands.sent) == 3
    assert {name: len(writes) for name, writes in updates.items()} == {"rooms": 3, "reads": 1}
    state = await store.room_states(names)
    assert [known.room.position for known in state] == [202, 203, 201]
    assert [one.read for one in (await store.rooms("bob", "lobby")).rooms] == [91]


async def test_the_states_of_many_rooms_are_one_question_of_rooms(store, commands, monkeypatch):
    monkeypatch.setattr(activity, "FEW", 10)
    names = [f"room{n}" for n in range(20)]
    events = [event for name in names for event in room(name, "ana")]
    events += [said(name, n) for name in names for n in range(3, 8)]
    await store.record([*events, *(said("room0", n) for n in range(8, 40))])
    commands.clear()
    states = await store.room_states([*names, "nowhere"])
    asked = [command["find"] for command in commands.named("find")]
    assert (asked.count("rooms"), asked.count("log")) == (1, 20)
    assert [known.room.room for known in states] == [*names, "nowhere"]
    alone = await store.room_state("room3")
    assert (states[3].room, states[3].recent, states[3].since) == (alone.room, alone.recent, 0.0)
    assert [one.position for one in states[0].recent] == [*range(30, 40)]
    assert states[0].since == said("room0", 29).at
    known = Room.of(states[0])
    assert (known.since, len(known.recent)) == (states[0].since, 10)
    assert all(not known.recent for known in await store.room_states(names, recent=False))


# ---- what is found by the index, not by reading the newest --------------------------------------


@pytest.fixture
def by_index(monkeypatch):
    """Of the newest messages, one is looked at."""
    monkeypatch.setattr(analytics, "NEWEST", (1,))
    monkeypatch.setattr(full_text, "FIRST", 2)


async def found(store, text, **asked):
    answer = await store.search(SearchMessages(user="bob", text=text, **asked))
    return [entry.position for entry in answer.entries], answer.more


async def test_a_long_word_is_found_among_many_that_begin_alike(store, by_index, monkeypatch):
    compared, has_all = [], analytics._has_all
    monkeypatch.setattr(
        analytics, "_has_all", lambda *given: compared.append(given) or has_all(*given)
    )
    await store.record(room("lobby", "ana", "bob"))
    await store.record([said("lobby", 4 + n, f"number{1000 + n}") for n in range(300)])
    assert await found(store, "number1999") == ([], False)
    assert await found(store, "number1173") == ([177], False)
    assert len(compared) < 20


async def test_the_index_finds_words_beginnings_and_any_script(store, by_index):
    texts = [
        "snake_case here",
        "extraordinary",
        "extraordinarily",
        "今天天气",
        "Ἀθῆναι Málaga",
        "x",
    ]
    await store.record([*room("lobby", "ana", "bob"), *room("den", "eve")])
    await store.record([said("lobby", 4 + n, text) for n, text in enumerate(texts)])
    await store.record([said("den", 3, "extraordinary"), said("lobby", 99, "the newest")])
    assert await found(store, "snake_case here") == ([4], False)
    assert await found(store, "snake_c") == ([4], False)
    assert await found(store, "snake") == ([4], False)
    assert await found(store, "case") == ([], False)
    assert await found(store, "extraordinaril") == ([6], False)
    assert await found(store, "extra") == ([6, 5], False)
    assert await found(store, "天气") == ([7], False)
    assert await found(store, "天") == ([7], False)
    assert await found(store, "malaga αθη") == ([8], False)
    assert await found(store, 'x" OR "0extra') == ([], False)


async def test_the_index_finds_the_newest_first_over_all_times_and_by_pages(store, by_index):
    times = [1.6e9, 1.6e9, 1.6e9, 1.6e9, 1.6e9 + 5, 1.6e9 + 2 * A_MONTH, 1.7e9, 1.7e9 + 1]
    events = [said("lobby", 4 + n, "rain", at) for n, at in enumerate(times)]
    await store.record([*room("lobby", "ana", "bob"), *events, said("lobby", 99, at=1.8e9)])
    positions, more = await found(store, "rain")
    assert (positions[:4], {*positions[4:]}, more) == ([11, 10, 9, 8], {4, 5, 6, 7}, False)
    assert await found(store, "rain", limit=3) == ([11, 10, 9], True)
    assert await found(store, "rain", before=1.7e9, limit=2) == ([9, 8], True)


async def test_the_index_finds_edited_messages_by_their_last_text_and_deleted_ones_not(
    store, by_index
):
    await store.record(
        [*room("lobby", "ana", "bob"), *(said("lobby", n, "old") for n in (4, 5, 6))]
    )
    edit = MessageEdited("lobby", 7, "ana", 4, "fresh words", at=1.9e9)  # long afterwards
    both = [said("lobby", 8, "draft"), MessageEdited("lobby", 9, "ana", 8, "fresh fruit")]
    await store.record([edit, MessageDeleted("lobby", 10, "ana", 5), *both])
    await store.record([edit, said("lobby", 99)])
    assert await found(store, "old") == ([6], False)
    assert await found(store, "draft") == ([], False)
    assert await found(store, "fresh") == ([8, 4], False)
    document = await store._db["log"].find_one({"room": "lobby", "position": 5})
    assert document.get("found", "") == ""


async def test_messages_come_into_the_index_that_were_stored_without_it(mongodb_url, by_index):
    url = mongodb_url()
    async with ActivityStore.opened(url) as store:
        await store.record([*room("lobby", "ana", "bob"), *(said("lobby", n) for n in range(4, 9))])
        await store._db["log"].update_many({}, {"$unset": {"found": ""}})
    async with ActivityStore.opened(url) as store:
        assert not store._full_text
        assert await found(store, "hello") == ([8, 7, 6, 5, 4], False)  # by reading all
        async with store.reindexing() as done:
            await done
        assert store._full_text == store._embedded
        assert await found(store, "hello") == ([8, 7, 6, 5, 4], False)
    async with ActivityStore.opened(url) as store:
        assert store._full_text == store._embedded


# ---- what is asked as users come ----------------------------------------------------------------


def asked(commands):
    """The server's collections that were asked, in order."""
    names = ((c.get("find") or c.get("count") or "else") for c in commands.sent)
    return [str(name) for name in names]


async def test_who_comes_back_or_later_does_not_have_known_messages_counted_again(store, commands):
    users = [f"user{n}" for n in range(10)]
    await store.record([*room("lobby", "ana", *users), *(said("lobby", n) for n in range(13, 21))])
    log = []
    for user in [*users, *users]:
        commands.clear()
        [summary] = (await store.rooms(user)).rooms
        assert summary.unread == 8
        log.append(asked(commands).count("log"))
    assert log == [1, 1, *[0] * 18]  # counted once, then read once
    await store.record([said("lobby", 21), MessageDeleted("lobby", 22, "ana", 13)])
    await store.record([RoomRead("lobby", "user1", 15)])
    commands.clear()
    for user, unread in (("user0", 8), ("user1", 6), ("ana", 0)):
        [summary] = (await store.rooms(user)).rooms
        assert (summary.unread, summary.position) == (unread, 22)
    assert asked(commands).count("log") == 1
    assert commands.returned < 20  # what is new, not what is known


async def test_known_messages_say_nothing_of_those_before_them(store, commands):
    few = [*room("lobby", "ana", "bob"), *(said("lobby", n) for n in range(4, 10))]
    await store.record([*few, *(RoomRead("lobby", "eve", n) for n in range(10, 900))])
    joins = [RoomJoined("lobby", n, f"user{n}") for n in range(10, 500)]
    await store.record([*joins, said("lobby", 500), RoomRead("lobby", "user11", 499)])
    for user, unread in [("user11", 1), ("bob", 7), ("user11", 1), ("bob", 7), ("user12", 7)]:
        [summary] = (await store.rooms(user)).rooms
        assert summary.unread == unread, user
    await store.record([said("lobby", n) for n in range(501, 1200)])
    for user in ("user11", "bob", "user12"):
        [summary] = (await store.rooms(user)).rooms
        assert summary.unread == 100
    [summary] = (await store.rooms("ana")).rooms
    assert summary.unread == 0
    await store.record([RoomRead("lobby", "bob", 1195)])
    assert [one.unread for one in (await store.rooms("bob", "lobby")).rooms] == [4]


async def test_one_room_of_a_user_is_found_by_its_id(store, commands):
    await rooms_and_messages(store)
    commands.clear()
    [summary] = (await store.rooms("bob", "lobby")).rooms
    assert (summary.room, summary.read) == ("lobby", 100)
    assert (await store.rooms("eve", "lobby")).rooms == []
    assert [c["filter"] for c in commands.sent if c.get("find") == "rooms"] == [
        {"_id": "lobby"},
        {"_id": "lobby"},
    ]
