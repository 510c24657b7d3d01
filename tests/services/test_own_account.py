"""What users do with their own account: see their sessions, take their data along, and go."""

import asyncio

import aiohttp
import pytest

from nochat.domain.room import direct_room
from nochat.domain.text import DELETED, is_deleted
from nochat.lab.people import Person
from nochat.local.processes import until
from nochat.protocol.envelope import new_id
from nochat.protocol.payloads import COOKIE
from nochat.protocol.reasons import name_taken
from nochat.runtime import bootstrap, registry
from nochat.services.users import database
from nochat.settings import Settings
from nochat.stores.users import UserStore
from tests.services.conftest import a_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def password(person):
    return {"password": person.password}


def ended(person):
    """Why the person's sockets were closed."""
    return [data["reason"] for event, data in person.told if event == "signed-out"]


async def sessions(person):
    return (await person.asks("/api/sessions"))["sessions"]


async def delete(person, **given):
    return await person._ask("POST", "/api/account/delete", password(person) | given)


def erased(person, room):
    entries = person.heard.get(room, {}).values()
    return [entry for entry in entries if entry["type"] == "user.erased"]


async def elsewhere(person, **headers):
    """The same user in another browser."""
    jar = aiohttp.CookieJar(unsafe=True)
    browser = aiohttp.ClientSession(person.url, cookie_jar=jar, headers=headers)
    async with browser.post("/api/login", json={"user": person.name} | password(person)) as answer:
        assert answer.status == 200
    return browser


async def test_sessions_are_listed_and_ended_one_by_one_or_all_but_this(ana):
    other = await elsewhere(ana, **{"User-Agent": FIREFOX})
    newest, first = await sessions(ana)
    assert (newest["browser"], newest["current"]) == ("Firefox on Linux", False)
    assert (first["current"], first["created"] <= newest["created"]) == (True, True)
    async with other:
        assert (await ana._ask("POST", f"/api/sessions/{newest['session']}/end", {}))[0] == 200
        async with other.get("/api/me") as answer:
            assert (await answer.json())["user"] == ""
    assert [session["session"] for session in await sessions(ana)] == [first["session"]]
    assert (await ana._ask("POST", f"/api/sessions/{newest['session']}/end", {}))[0] == 404
    async with Person(ana.name, ana.url) as again:
        assert len(await sessions(ana)) == 2
        assert (await ana._ask("POST", "/api/sessions/end-others", {}))[0] == 200
        await again.until(lambda: ended(again) == ["from another session"])
    assert [session["current"] for session in await sessions(ana)] == [True]
    await ana.says("still here")


async def test_the_name_of_a_session_tells_nothing_of_its_token(ana):
    (session,) = await sessions(ana)
    token = next(morsel.value for morsel in ana._http.cookie_jar if morsel.key.startswith(COOKIE))
    assert session["session"] not in token
    browser = aiohttp.ClientSession(cookies={COOKIE: session["session"]})
    async with browser, browser.get(f"{ana.url}/api/sessions") as answer:
        assert answer.status == 401


async def talk(ana, bob):
    """What is said in a public, a private and a direct room; returns their ids."""
    private, direct = f"p-{new_id()[:16]}", direct_room(ana.name, bob.name)
    await ana.says(f"hello @{bob.name}")
    await bob.says(f"welcome @{ana.name}")
    await bob.until(lambda: {f"hello @{bob.name}", f"welcome @{ana.name}"} <= {*bob.texts()})
    (at,) = [
        at
        for at, entry in bob.heard["lobby"].items()
        if entry.get("text", "").startswith("welcome")
    ]
    await ana.call("react", {"room": "lobby", "position": at, "emoji": "👍"})
    await ana.call("read", {"room": "lobby", "position": at})
    await ana.call("create", {"room": private, "title": "Ours", "private": True})
    await ana.until(lambda: private in ana.heard)
    await ana.call("invite", {"room": private, "user": bob.name})
    await bob.until(lambda: any(event == "invited" for event, _ in bob.told))
    await bob.join(private)
    await ana.says("in private", private)
    await ana.call("direct", {"user": bob.name})
    await bob.until(lambda: direct in bob.heard)
    await ana.says("between us", direct)
    await bob.until(lambda: "between us" in bob.texts(direct) and bob.texts(private))
    return ["lobby", private, direct]


async def test_a_deleted_account_is_gone_and_its_messages_stay(url, settings):
    async with Person(a_name(), url) as bob, Person(a_name(), url) as eve:
        ana = await Person(a_name(), url).arrive()
        rooms = await talk(ana, bob)
        away = dict(eve.heard["lobby"])
        await eve.disconnect()
        assert (await delete(ana, password="a wrong one"))[0] == 409
        assert (await delete(ana))[0] == 200
        await ana.until(lambda: ended(ana) == ["this account was deleted"])
        await bob.until(lambda: all(erased(bob, room) for room in rooms))
        ((entry,), *_) = (erased(bob, room) for room in rooms)
        name = entry["deleted_as"]
        assert (entry["user"], name.startswith(DELETED)) == (ana.name, True)
        assert (await ana.asks("/api/me"))["user"] == ""
        await ana.leave()

        for room in rooms:
            page = await bob.call("history", {"room": room})
            senders = {
                shown["sender"] for shown in page["entries"] if shown["type"] == "message.sent"
            }
            assert name in senders
            assert ana.name not in repr([shown | {"text": ""} for shown in page["entries"]])
            assert not any(shown.get("reactions") for shown in page["entries"])
        entries = (await bob.call("search", {"text": "between us"}))["entries"]
        assert [(shown["sender"], shown["text"]) for shown in entries] == [(name, "between us")]

        # Who was away hears of it without the name, which is nowhere any more.
        eve.heard["lobby"] = away
        await eve.connect()
        await eve.until(lambda: erased(eve, "lobby"))
        assert erased(eve, "lobby")[0]["user"] == name
        summaries = eve.told[-1][1] if eve.told[-1][0] == "welcome" else {}
        assert ana.name not in repr(summaries.get("rooms"))

        # Nobody comes as her, and nobody can be led to her.
        taken = await bob._ask(
            "POST", "/api/register", {"user": ana.name.upper(), "password": "a good password"}
        )
        assert taken == (409, name_taken().answer)
        with pytest.raises(RuntimeError, match="no such user"):
            await bob.call("direct", {"user": ana.name})
        with pytest.raises(RuntimeError, match="no such user"):
            await bob.call("invite", {"room": rooms[1], "user": name})
        await bob.says("anybody?", rooms[2])
        await bob.until(lambda: any(event == "rejected" for event, _ in bob.told))
        await bob.says("in public one goes on")
        assert ana.name not in repr(await bob.asks("/api/users?prefix=u"))
        assert ana.name not in repr(await bob.asks("/api/users?prefix=~"))


async def test_the_only_manager_stays(url, settings):
    from nochat.cli.promote import promote

    async with Person(a_name(), url) as ana, Person(a_name(), url) as bob:
        promote(settings, ana.name)
        status, said = await delete(ana)
        assert (status, said["error"].startswith("you are the only manager")) == (409, True)
        promote(settings, bob.name)
        assert (await delete(ana))[0] == 200
        promote(settings, bob.name, "user")


async def test_an_export_is_all_of_oneself_and_nothing_of_others(url, monkeypatch):
    monkeypatch.setattr("nochat.services.web.export.PAGE", 3)
    async with Person(a_name(), url) as bob, Person(a_name(), url) as ana:
        rooms = await talk(ana, bob)
        for number in range(7):
            await ana.says(f"one more {number}")
        await bob.says("a secret of bob's")
        await ana.until(lambda: "a secret of bob's" in ana.texts())
        async with ana._http.get(f"{url}/api/account/export") as answer:
            assert answer.headers["Content-Disposition"] == 'attachment; filename="nochat.json"'
            text = await answer.text()
            export = await answer.json()
        assert export["account"]["name"] == ana.name
        assert len(export["sessions"]) == 1
        assert {room["room"] for room in export["rooms"]} == {*rooms}
        assert [room["owner"] for room in export["rooms"] if room["title"] == "Ours"] == [True]
        said = [message["text"] for message in export["messages"]]
        more = [f"one more {number}" for number in range(7)]
        assert sorted(said) == sorted([f"hello @{bob.name}", "in private", "between us", *more])
        assert [read["room"] for read in export["reads"]] == ["lobby"]
        assert [mention["reason"] for mention in export["mentions"]] == ["mention"]
        assert [connection["type"] for connection in export["connections"]] == ["user.connected"]
        assert "secret" not in text
        assert "welcome" not in text


@pytest.mark.usefixtures("_quick_passwords")
async def test_a_deletion_that_a_crash_interrupted_goes_on_until_no_name_is_left(
    tmp_path, monkeypatch
):
    """The account was gone, and nobody had been told."""
    monkeypatch.setattr("nochat.services.users.deletions.EVERY", 0.05)
    monkeypatch.setattr("nochat.services.users.deletions.QUIET", 0.2)
    settings = Settings(data_dir=str(tmp_path), port=0, replica_url="off")
    services = registry.services(registry.names(settings))
    async with bootstrap.started(services, settings) as url, Person("ana", url) as ana:
        await ana.says("hello")
        token = next(
            morsel.value for morsel in ana._http.cookie_jar if morsel.key.startswith(COOKIE)
        )
    store = UserStore(database(settings))
    store.remove(token, password(ana)["password"])
    async with bootstrap.started(services, settings) as url, Person("bob", url) as bob:
        assert await asyncio.to_thread(until, lambda: not store.unfinished(), 20)
        page = await bob.call("history", {"room": "lobby"})
        assert [is_deleted(entry["sender"]) for entry in page["entries"] if "sender" in entry] == [
            True
        ]
        assert "'ana'" not in repr(page)
    store.close()
