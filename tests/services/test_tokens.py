"""Tokens of users' own programs: what they read and say, and what the log of accounts has of it."""

import aiohttp
import pytest

from nochat.cli.promote import promote
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from tests.services.conftest import a_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make_token(person, **given):
    sent = {"name": "a program", "password": person.password} | given
    status, made = await person._ask("POST", "/api/tokens", sent)
    assert status == 200
    return made


def program(url, secret):
    return aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {secret}"})


async def post(http, room, **sent):
    async with http.post(f"/api/rooms/{room}/messages", json=sent) as answer:
        return answer.status, await answer.json()


async def get(http, path):
    async with http.get(path) as answer:
        return answer.status, await answer.json()


async def test_a_program_reads_its_user_s_rooms_and_writes_in_them(ana, bob, url):
    secret = (await make_token(ana))["secret"]
    await bob.says("from the page")
    async with program(url, secret) as http:
        text, client_id = f"by a program {new_id()}", new_id()
        sent = {"client_id": client_id, "text": text}
        assert await post(http, "lobby", **sent) == (200, {"client_id": client_id})
        # It is kept by now: whoever reads the room finds it, who is there hears it.
        _, page = await get(http, "/api/rooms/lobby/messages?limit=10")
        entries = [entry for entry in page["entries"] if entry.get("text") == text]
        assert [(entry["sender"], entry["client_id"]) for entry in entries] == [
            (ana.name, client_id)
        ]
        await bob.until(lambda: text in bob.texts())
        # A retry is harmless, as its answer may have been lost.
        assert await post(http, "lobby", **sent) == (200, {"client_id": client_id})
        await bob.says("after it")
        await bob.until(lambda: "after it" in bob.texts())
        assert bob.texts().count(text) == 1
        at = entries[0]["position"]
        _, page = await get(http, f"/api/rooms/lobby/messages?after={at}")
        assert [entry["text"] for entry in page["entries"]] == ["after it"]
        longest = {"client_id": new_id(), "text": "\U0001f600" * 4000, "reply_to": at}
        assert (await post(http, "lobby", **longest))[0] == 200
        assert (await post(http, "lobby", **sent | {"text": ""}))[0] == 422
        _, mine = await get(http, "/api/rooms")
        assert [(room["room"], room["kind"]) for room in mine["rooms"]] == [("lobby", "public")]


async def test_a_token_is_shown_once_listed_and_revoked(ana, url):
    made = await make_token(ana, name="  the\tstation  ", days=7)
    (listed,) = (await ana.asks("/api/tokens"))["tokens"]
    assert listed == made["listed"]
    assert (listed["name"], listed["used"]) == ("the station", 0)
    assert 6.9 < (listed["expires"] - listed["created"]) / 86_400 < 7.1
    assert made["secret"] not in str(await ana.asks("/api/account/export"))
    async with program(url, made["secret"]) as http:
        assert (await get(http, "/api/rooms"))[0] == 200
        (listed,) = (await ana.asks("/api/tokens"))["tokens"]
        assert listed["used"] > listed["created"]
        path = f"/api/tokens/{listed['token']}/revoke"
        assert (await ana._ask("POST", path, {}))[0] == 200
        assert (await get(http, "/api/rooms"))[0] == 401
    assert (await ana.asks("/api/tokens"))["tokens"] == []
    assert (await ana._ask("POST", path, {}))[0] == 404


async def test_managers_see_what_became_of_accounts(url, settings):
    async with Person(a_name(), url) as boss, Person(a_name(), url) as ana:
        promote(settings, boss.name)
        await make_token(ana, name="the station")
        wrong = {"user": ana.name, "password": "not hers"}
        assert (await boss._ask("POST", "/api/login", wrong))[0] == 401
        path = f"/api/manage/users/{ana.name}"
        assert (await boss._ask("POST", path, {"role": "manager"}))[0] == 200

        async def log(query=""):
            return (await boss.asks(f"/api/manage/log?user={ana.name.upper()}{query}"))["entries"]

        seen = []
        while len(seen) < 5:  # the store writes in its own time
            seen = await log()
        assert [entry["event"] for entry in seen] == [
            "user.account-changed",
            "user.log-in-failed",
            "user.token-made",
            "user.logged-in",
            "user.registered",
        ]
        assert (seen[0]["by"], seen[0]["role"], seen[2]["name"]) == (
            boss.name,
            "manager",
            "the station",
        )
        assert "not hers" not in str(seen)
        assert await log(f"&before={seen[2]['mark']}") == seen[3:]
        assert await log("&event=user.log-in-failed") == seen[1:2]
        given = await ana.asks("/api/account/export")
        assert [event["type"] for event in given["account_events"]] == [
            entry["event"] for entry in reversed(seen)
        ]
        assert boss.name not in str(given["account_events"])
