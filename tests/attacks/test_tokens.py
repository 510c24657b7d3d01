"""Tokens of users' own programs open their user's rooms, and nothing else, and for no longer."""

import aiohttp
import pytest
import pytest_asyncio

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def secret_of(person):
    sent = {"name": "a program", "password": person.password}
    status, made = await person._ask("POST", "/api/tokens", sent)
    assert status == 200
    return made["secret"]


async def status(url, secret, method, path, sent=None):
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession(url, headers=headers) as http,
        http.request(method, path, json=sent) as answer,
    ):
        return answer.status


async def say(url, secret, room, text="hello"):
    sent = {"client_id": new_id(), "text": text}
    return await status(url, secret, "POST", f"/api/rooms/{room}/messages", sent)


async def read(url, secret, room):
    return await status(url, secret, "GET", f"/api/rooms/{room}/messages")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(shared):
    async with Person("tokenana", shared) as ana, Person("tokeneve", shared) as eve:
        yield ana, eve, await secret_of(eve)


async def test_it_opens_no_room_of_others(shared, people):
    ana, eve, secret = people
    room = f"r-{new_id()[:16]}"
    await ana.call("create", {"room": room, "title": "Ana's", "private": True})
    direct = (await ana.call("direct", {"user": "tokenana"}))["room"]
    await ana.until(lambda: direct in ana.heard and room in ana.heard)
    for room_id in (room, direct, f"r-{new_id()[:16]}"):  # the last is not there: no answer tells
        assert await read(shared, secret, room_id) == 403
        assert await say(shared, secret, room_id) == 403
    await ana.call("invite", {"room": room, "user": eve.name})
    await eve.until(lambda: any(event == "invited" for event, _ in eve.told))
    assert await read(shared, secret, room) == 403  # invited is not inside
    assert await say(shared, secret, room) == 403


async def test_tokens_of_muted_users_can_not_write_and_of_banned_not_read(shared, people):
    ana, eve, secret = people
    room = f"r-{new_id()[:16]}"
    await ana.call("create", {"room": room, "title": "Ana's"})
    await eve.join(room)
    assert await say(shared, secret, room) == 200
    for action, may_read in (("mute", 200), ("ban", 403)):
        await ana.call("moderate", {"room": room, "user": eve.name, "action": action})
        await ana.until(
            lambda: any(entry.get("action") == action for entry in ana.heard[room].values())  # noqa: B023
        )
        assert await say(shared, secret, room, "still") == 403
        assert await read(shared, secret, room) == may_read
    assert "still" not in ana.texts(room)


async def test_it_does_nothing_else(shared, people):
    _, _, secret = people
    async with aiohttp.ClientSession(shared) as http, http.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    tried = 0
    for path, methods in paths.items():
        for method, call in methods.items():
            if call.get("security") == [{"session": []}]:
                tried += 1
                assert (await status(shared, secret, method, path, {}), path) == (401, path)
    assert tried > 15
    cookie = {"Cookie": f"nochat_session={secret}"}  # nor is it a session
    async with (
        aiohttp.ClientSession(shared) as http,
        http.get("/api/tokens", headers=cookie) as response,
    ):
        assert response.status == 401


async def test_a_session_is_no_token_nor_are_guesses(shared, people):
    ana, _, secret = people
    session = next(iter(ana._http.cookie_jar)).value
    for guess in (session, "", secret[:-1], secret + "x", secret.swapcase(), "x" * 5000):
        assert await status(shared, guess, "GET", "/api/rooms") == 401
    headers = {"Authorization": f"Basic {secret}"}
    async with (
        aiohttp.ClientSession(shared) as http,
        http.get("/api/rooms", headers=headers) as response,
    ):
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await ana._ask("GET", "/api/rooms"))[0] == 401


async def test_a_session_alone_makes_none(shared, people):
    """Somebody sits down at a browser that was left open: what they make would outlast it."""
    ana, _, _ = people
    sent = {"name": "for later", "password": "a guess"}
    assert (await ana._ask("POST", "/api/tokens", sent))[0] == 409
    assert (await ana.asks("/api/tokens"))["tokens"] == []


async def test_nobody_sees_or_revokes_those_of_others(shared, people):
    ana, eve, secret = people
    (hers,) = (await eve.asks("/api/tokens"))["tokens"]
    assert (await ana.asks("/api/tokens"))["tokens"] == []
    assert (await ana._ask("POST", f"/api/tokens/{hers['token']}/revoke", {}))[0] == 404
    assert await status(shared, hers["token"], "GET", "/api/rooms") == 401  # its name is no token
    assert await status(shared, secret, "GET", "/api/rooms") == 200


async def test_it_ends_with_a_password_a_ban_and_the_account(shared, people):
    ana = people[0]
    async with Person(f"t{new_id()[:8]}", shared) as one:
        first = await secret_of(one)
        new = "another good password"
        sent = {"old": one.password, "new": new}
        assert (await one._ask("POST", "/api/password", sent))[0] == 200
        one.password = new
        second = await secret_of(one)
        assert await say(shared, second, "lobby") == 200
        assert await say(shared, first, "lobby") == 401
        assert (await one._ask("POST", "/api/account/delete", {"password": new}))[0] == 200
        assert await say(shared, second, "lobby") == 401
    assert ana.name


async def test_it_has_no_more_turns_than_a_socket(attacked):
    async with attacked(user_rate=2) as url, Person("ana", url) as ana:
        secret = await secret_of(ana)
        for sending in (True, False):
            statuses = [
                await (say(url, secret, "lobby") if sending else read(url, secret, "lobby"))
                for _ in range(15)
            ]
            assert 429 in statuses
            assert {*statuses} <= {200, 429}
            assert statuses.count(200) <= 13  # ten at once, and what flows in meanwhile
