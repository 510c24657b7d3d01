"""Nobody's sessions, data or account are another's; who deleted their account does nothing more."""

import asyncio

import aiohttp
import pytest

from nochat.domain.room import direct_room
from nochat.domain.text import is_deleted
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOCKETS = 3


def a_name():
    return f"u{new_id()[:10]}"


def wide(name):
    """The name in letters as wide as Chinese ones, which fold to the plain ones."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in name)


def password(person):
    return {"password": person.password}


async def status(person, path, sent=None):
    async with person._http.post(person.url + path, json=sent or {}) as response:
        return response.status


async def test_nobody_sees_or_ends_the_sessions_of_others(shared):
    async with Person(a_name(), shared) as ana, Person(a_name(), shared) as eve:
        ((hers,), (own,)) = [
            (await person.asks("/api/sessions"))["sessions"] for person in (ana, eve)
        ]
        assert own["session"] != hers["session"]
        for path in (hers["session"], "%25", "..", own["session"][:-1], "0" * 32):
            assert await status(eve, f"/api/sessions/{path}/end") in (404, 405)
        assert await status(eve, "/api/sessions/end-others") == 200
        assert (await ana.asks("/api/me"))["user"] == ana.name
        await ana.says("still here")


async def test_a_session_alone_deletes_no_account_and_passwords_are_not_tried_for_ever(attacked):
    """Somebody sits down at a browser that was left open."""
    async with attacked() as url, Person("ana", url) as ana:
        assert await status(ana, "/api/account/delete") == 422
        tried = [
            await status(ana, "/api/account/delete", {"password": f"guess {number}"})
            for number in range(15)
        ]
        assert {*tried} == {409, 429}
        assert tried.count(409) <= 11
        await ana.says("still here")


async def test_a_deleted_account_can_not_write_on_any_socket(attacked):
    """They go on joining and writing on all their sockets while it is deleted."""
    async with attacked(user_rate=0, address_rate=0) as url, Person("bob", url) as bob:
        anas = [Person("ana", url) for _ in range(SOCKETS)]
        for ana in anas:
            await ana.arrive()
        await bob.call("create", {"room": "other", "title": "Other"})

        async def goes_on(ana):
            said = 0
            while ana.connected:
                for action, sent in (
                    ("message", {"room": "lobby", "client_id": new_id(), "text": f"on {said}"}),
                    ("join", {"room": "other"}),
                    ("message", {"room": "other", "client_id": new_id(), "text": f"on {said}"}),
                    ("invite", {"room": "other", "user": "ana"}),
                ):
                    try:
                        await ana._socket.emit(action, sent)
                    except Exception:
                        return
                said += 1
                await asyncio.sleep(0)

        flood = [asyncio.create_task(goes_on(ana)) for ana in anas]
        await bob.until(lambda: any(text.startswith("on ") for text in bob.texts()))
        assert await status(anas[0], "/api/account/delete", password(anas[0])) == 200
        for ana in anas:
            await ana.until(lambda: any(event == "signed-out" for event, _ in ana.told))  # noqa: B023
        await asyncio.gather(*flood)
        erased = "user.erased"
        await bob.until(
            lambda: any(entry["type"] == erased for entry in bob.heard["lobby"].values())
        )
        entries = bob.heard["lobby"]
        at = next(position for position, entry in entries.items() if entry["type"] == erased)
        after = [entry for position, entry in entries.items() if position > at]
        assert [entry for entry in after if "ana" in (entry.get("user"), entry.get("sender"))] == []
        history = (await bob.call("history", {"room": "lobby", "limit": 200}))["entries"]
        senders = {entry["sender"] for entry in history if entry["type"] == "message.sent"}
        assert senders
        assert all(map(is_deleted, senders))
        for ana in anas:
            with pytest.raises(RuntimeError, match="log in first"):
                await ana.connect()
            await ana.leave()


async def test_nobody_comes_after_somebody_into_their_direct_room(attacked):
    name = a_name()
    async with attacked() as url, Person(a_name(), url) as bob:
        ana = await Person(name, url).arrive()
        room = direct_room(name, bob.name)
        await ana.call("direct", {"user": bob.name})
        await bob.until(lambda: room in bob.heard)
        await bob.says("for ana alone", room)
        assert await status(ana, "/api/account/delete", password(ana)) == 200
        await ana.leave()
        async with aiohttp.ClientSession(url) as eve:
            for again in (name, name.upper(), wide(name)):
                account = {"user": again, "password": "a good password"}
                async with eve.post("/api/register", json=account) as response:
                    assert (response.status, "taken" in await response.text()) == (409, True)


async def test_an_export_is_asked_for_at_measure(attacked):
    async with attacked() as url, Person("eve", url) as eve, Person("ana", url) as ana:
        await ana.says("not for eve")

        async def export():
            async with eve._http.get(f"{url}/api/account/export") as response:
                return response.status, await response.text()

        answers = await asyncio.gather(*(export() for _ in range(12)))
        statuses = [status for status, _ in answers]
        assert 200 in statuses
        assert statuses.count(200) <= 3
        assert {*statuses} == {200, 429}
        assert "not for eve" not in repr(answers)
        assert (await ana.asks("/api/me"))["user"] == "ana"
        path = f"{url}/api/account/export"
        async with aiohttp.ClientSession() as nobody, nobody.get(path) as response:
            assert response.status == 401
