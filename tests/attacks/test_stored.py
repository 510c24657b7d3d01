"""What is stored: nothing that was edited away, all that was heard, and nobody waits for it."""

import asyncio
import logging
from functools import partial

import aiohttp
import pytest
from pymongo import AsyncMongoClient, monitoring

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.protocol.events import (
    AccountDeleted,
    MessageDeleted,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomJoined,
    UserErased,
)
from nochat.stores.activity import ActivityStore
from tests.attacks.test_costs import cookie

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_name():
    return f"u{new_id()[:10]}"


# ---- what was edited away -----------------------------------------------------------------------

SECRETS = ["my card is 4929", "my card is 1111"]


async def test_later_readers_do_not_get_the_text_before_an_edit(shared):
    room = a_name()
    async with Person(a_name(), shared) as ana, Person(a_name(), shared) as eve:
        await ana.call("create", {"room": room, "title": "Cards"})
        await ana.join(room)
        for text in (SECRETS[0], "to be deleted"):
            await ana.says(text, room)
            await ana.until(lambda: text in ana.texts(room))  # noqa: B023
        first, second = [
            at for at, entry in sorted(ana.heard[room].items()) if "client_id" in entry
        ]
        edits = [(first, SECRETS[1]), (second, SECRETS[1]), (first, "nothing")]
        for position, text in edits:
            await ana.call("edit", {"room": room, "position": position, "text": text})
        await ana.call("delete", {"room": room, "position": second})
        types = [entry["type"] for entry in ana.heard[room].values()]
        await ana.until(
            lambda: [entry["type"] for entry in ana.heard[room].values()].count("message.deleted"),
            what=f"the deletion, after {types}",
        )
        await eve.join(room)
        newest = await eve.call("history", {"room": room, "limit": 50})
        entries = (await eve.call("history", {"room": room, "after": 0, "limit": 200}))["entries"]
        assert not [text for text in SECRETS if text in repr((newest, entries))]
        # Nor is anything missing: who was away hears of every change.
        assert [entry["position"] for entry in entries] == [*range(1, len(entries) + 1)]
        told = [
            (entry["target"], entry["text"])
            for entry in entries
            if entry["type"] == "message.edited"
        ]
        assert told == [(first, "nothing"), (second, ""), (first, "nothing")]


# ---- what everybody heard -----------------------------------------------------------------------

PAIRS = ["nul\0{}", "\0{}", "bell\a{}", "x\x7f{}", "é{}", "e\u0301{}", "A{}", " {}", "'{}", "$x{}"]
PAIRS += ["\\{}", '"{}', "0{}", "{}\n", "%{}", "{}\ufeff", "😀{}"]


async def test_every_message_that_is_heard_is_found_again_whatever_its_id(shared):
    room = a_name()
    async with Person(a_name(), shared) as ana, Person(a_name(), shared) as bob:
        await ana.call("create", {"room": room, "title": "Ghosts"})
        await ana.join(room)
        await bob.join(room)
        taken, refused = [], []
        for number, pair in enumerate(PAIRS):
            for end in ("a", "b"):
                text = f"text {number}{end}"
                try:
                    await ana.says(text, room, pair.format(end))
                except RuntimeError as error:
                    refused.append(str(error))
                else:
                    taken.append(text)
        await ana.says("the last", room)
        await bob.until(lambda: "the last" in bob.texts(room))
        history = (await bob.call("history", {"room": room, "limit": 200}))["entries"]
        assert [entry["text"] for entry in history if "text" in entry] == bob.texts(room)
        assert bob.texts(room) == [*taken, "the last"]
        assert len(taken) == 16
        assert all("printable ASCII" in reason for reason in refused)


# ---- what a deletion costs ----------------------------------------------------------------------


class Heard(monitoring.CommandListener):
    """The collections that a store is asked about, and by what."""

    def __init__(self):
        self.queries = []

    def started(self, event):
        name, command = event.command_name, event.command
        writes = command.get("updates", command.get("deletes", []))
        queries = [write["q"] for write in writes]
        if name in ("find", "distinct"):
            queries.append(command.get("filter", command.get("query")))
        self.queries += [(command[name], query) for query in queries]

    def succeeded(self, event):
        """Nothing: what was asked is known."""

    def failed(self, event):
        """Nothing, likewise."""


async def test_no_deletion_reads_a_log_however_long_it_is(mongodb_server, monkeypatch):
    """An account that was in many rooms: others' questions wait behind what is done in each."""
    heard = Heard()
    listening = partial(AsyncMongoClient, event_listeners=[heard])
    monkeypatch.setattr("nochat.stores.mongodb.AsyncMongoClient", listening)
    url = f"{mongodb_server.url}/t{new_id()[:12]}"
    async with ActivityStore.opened(url) as store:
        log = [
            RoomCreated("r", 1, "bob", "R"),
            RoomJoined("r", 2, "ana"),
            MessageSent("r", 3, "ana", "c3", "hello"),
            ReactionChanged("r", 4, "ana", 3, "👍", True),
        ]
        await store.record(log)
        heard.queries.clear()
        deletions = [
            AccountDeleted("ana", "~deleted-1"),
            UserErased("r", 5, "ana", "~deleted-1", "R"),
            MessageDeleted("r", 6, "bob", 3),
            RoomDeleted("r", 7, "bob", "R"),
        ]
        assert await store.traces("ana") == ["r"]
        await store.record(deletions)
        await store.record([log[0], *deletions])  # delivered once more
        plans = [
            (of, query, await _plan(store, of, query))
            for of, query in [*heard.queries]
            if of in ("log", "mentions", "reads", "connections")
        ]
    assert len(plans) > 20
    assert [plan for plan in plans if _reads_much(plan[2])] == []


async def _plan(store, of, query):
    explained = await store._db.command("explain", {"find": of, "filter": query})
    return [step["detail"] for step in explained["queryPlanner"]["winningPlan"]]


def _reads_much(plan):
    """Whether it goes by no index, or by a room alone."""
    return any("SCAN" in step or "room_position (<expr>=?)" in step for step in plan)


# ---- two who delete one account -----------------------------------------------------------------


async def test_an_account_that_is_deleted_several_times_at_once_is_deleted_once(attacked, caplog):
    """Those that come together are handled together: `stores/test_users.py` lets two meet."""
    name = "deletedname"
    async with attacked() as url, aiohttp.ClientSession() as http:
        async with Person(name, url) as ana:
            headers = {"Cookie": cookie(ana)}
            sent = {"password": ana.password}

        async def delete():
            path = f"{url}/api/account/delete"
            async with http.post(path, json=sent, headers=headers) as response:
                return response.status, await response.text()

        with caplog.at_level(logging.WARNING):
            answers = await asyncio.gather(*(delete() for _ in range(4)))
        statuses = sorted(status for status, _ in answers)
        assert statuses[0] == 200
        assert {*statuses[1:]} <= {401, 409}
        assert not [
            record for record in caplog.records if record.exc_info or name in record.getMessage()
        ]
