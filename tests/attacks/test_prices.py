"""What costs the services much has its price: nobody waits behind another's questions or rooms."""

import asyncio
import time
from contextlib import asynccontextmanager

import msgspec
import pytest

from nochat.cli.promote import promote
from nochat.lab.people import Person
from nochat.protocol.events import RoomCreated, RoomJoined
from nochat.runtime import action_limits
from nochat.settings import Settings
from nochat.stores import documents
from nochat.stores.activity import ActivityStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

WELCOME = 8.0  # seconds that a welcome may take on a busy machine
MESSAGES, ROOMS = 20_000, 2_000
DEN = "den-0123456789abcdef"


async def fill(url, messages=0, rooms=0):
    """Put messages into the lobby, and public rooms of eve's beside it, as fast as it goes."""
    async with ActivityStore.opened(url) as store:
        await store.record([RoomCreated("lobby", 1, "ana", "Lobby"), RoomJoined("lobby", 2, "ana")])
        said = [
            {"id": f"m{n}", "correlation_id": "c", "at": 1.7e9 + n, "type": documents.MESSAGE}
            | {"room": "lobby", "position": n, "sender": f"u{n % 7}", "client_id": f"c{n}"}
            | {"text": f"word{n % 97}", "hour": n % 24, "reactions": []}
            | documents.by_text(f"common{n % 1000} word{n % 97} thing{n % 3}")
            for n in range(3, messages + 3)
        ]
        for start in range(0, messages, 2000):
            await store._db["log"].insert_many(said[start : start + 2000], ordered=False)
        if messages:
            last = {"$set": {"position": messages + 2}}
            await store._db["rooms"].update_one({"_id": "lobby"}, last)
        made = [
            {"_id": f"hut-{n:04}", "title": f"Hut {n}", "kind": "public", "owner": "eve"}
            | {"room": f"hut-{n:04}", "sought": f"hut {n}"}
            | {"members": ["eve"], "invited": [], "muted": [], "banned": [], "position": 2}
            for n in range(rooms)
        ]
        if made:
            await store._db["rooms"].insert_many(made)


async def welcome(url, name):
    """Come in; gives the seconds until the welcome, and the welcome."""
    began = time.monotonic()
    async with Person(name, url) as person:
        await person.until(lambda: any(event == "welcome" for event, _ in person.told), 60)
        seconds = time.monotonic() - began
        [data] = [data for event, data in person.told if event == "welcome"]
    return seconds, data


@asynccontextmanager
async def repeated(ask):
    """Do something again and again until the block ends; gives the answers."""
    answers = []

    async def again():
        while True:
            answers.append(await ask())
            await asyncio.sleep(0)

    task = asyncio.create_task(again())
    try:
        yield answers
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_constant_searches_and_trends_delay_nobody(attacked, activity, tmp_path):
    await fill(activity, MESSAGES)
    async with attacked(activity_url=activity) as url, Person("eve", url) as eve:
        status, answer = await eve._ask("GET", "/api/trends")
        assert (status, answer["error"]) == (403, "only managers may do this")
        async with Person("boss", url) as boss:
            settings = Settings(bus_url="memory://", data_dir=str(tmp_path))
            await asyncio.to_thread(promote, settings, "boss")
            limits = iter(range(1, 101))
            trends = repeated(lambda: boss._ask("GET", f"/api/trends?limit={next(limits)}"))
            search = {"text": "common1 word"}
            async with trends:
                searches = asyncio.gather(
                    *(eve._socket.call("search", search, timeout=30) for _ in range(20))
                )
                for number in range(4):
                    seconds, _ = await welcome(url, f"guest{number}")
                    assert seconds < WELCOME
                refused = [result for result in await searches if "error" in result]
            assert refused, "searches were answered without end"
            codes = {refusal["code"] for refusal in refused}
            assert codes <= {"rate.actions", "chat.unavailable", "chat.timed-out"}


async def creates(person, count):
    """Make rooms; gives how many were made, and the last answer."""
    answers = [
        await person._socket.call("create", {"room": f"{person.name}-{n}", "title": "Mine"})
        for n in range(count)
    ]
    return answers.count({}), answers[-1]


async def test_rooms_and_invitations_are_limited_by_user_and_hour(attacked):
    async with attacked() as url, Person("eve", url) as eve, Person("bob", url) as bob:
        made, answer = await creates(eve, 25)
        assert made == 20
        assert "you have made many rooms" in answer["error"]
        assert answer["retry"] is False
        assert (await creates(bob, 1))[0] == 1  # others make theirs
        invited = []
        while "error" not in (invited[-1] if invited else {}):
            invited.append(await eve._socket.call("direct", {"user": "bob"}))
            if "wait" in invited[-1]:  # of the actions' own rate
                await asyncio.sleep(invited.pop()["wait"])
        assert len(invited) == 61
        assert "you have invited many people" in invited[-1]["error"]


async def test_many_accounts_at_one_address_make_no_more_than_ten(attacked):
    async with attacked(room_rate=2) as url:
        made = 0
        for number in range(12):
            async with Person(f"sock{number}", url) as sock:
                made += (await creates(sock, 2))[0]
        assert made == action_limits.PER_ADDRESS * 2


async def test_rooms_without_end_make_no_welcome_long(attacked, activity, monkeypatch):
    monkeypatch.setattr("nochat.stores.portions.MOST_SECONDS", 30.0)  # of a busy machine
    await fill(activity, rooms=ROOMS)
    async with attacked(activity_url=activity) as url:
        seconds, data = await welcome(url, "guest")
        assert seconds < WELCOME
        assert len(msgspec.json.encode(data)) < 2000
        async with Person("guest", url) as guest:
            first = await guest.call("rooms", {"text": ""})
            assert (len(first["rooms"]), first["more"]) == (20, True)
            after = first["rooms"][-1]["room"]
            second = await guest.call("rooms", {"text": "", "after": after, "limit": 50})
            assert second["rooms"][0]["room"] == "hut-0020"
            assert len(msgspec.json.encode(second)) < 10_000
            [one] = (await guest.call("rooms", {"text": "hUt 1999"}))["rooms"]
            assert (one["title"], one["members"]) == ("Hut 1999", 1)


async def test_a_list_of_rooms_names_no_private_one(attacked):
    async with attacked() as url, Person("ana", url) as ana, Person("eve", url) as eve:
        await ana.call("create", {"room": DEN, "title": "Den", "private": True})
        await ana.says("a secret", DEN)
        await ana.until(lambda: ana.texts(DEN))
        for asked in ({"text": "", "only": DEN}, {"text": "Den"}, {"text": ""}):
            rooms = (await eve.call("rooms", asked))["rooms"]
            assert DEN not in [room["room"] for room in rooms]
