"""The REST calls of the page, and what they refuse."""

import asyncio

import aiohttp
import pytest
import pytest_asyncio

from nochat.cli.promote import promote
from nochat.protocol.envelope import new_id
from nochat.stores.activity import ActivityStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "a good password"


@pytest_asyncio.fixture(loop_scope="module")
async def http(url):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        yield session


async def answer(call):
    async with call as response:
        return response.status, await response.json()


def account(**given):
    return {"user": f"u{new_id()[:10]}", "password": PASSWORD} | given


async def test_a_new_account_is_logged_in_until_logging_out(http):
    given = account()
    assert await answer(http.post("/api/register", json=given)) == (200, {"user": given["user"]})
    assert (await answer(http.get("/api/me")))[1]["user"] == given["user"]
    assert (await answer(http.post("/api/logout", json={})))[0] == 200
    assert (await answer(http.get("/api/me")))[1]["user"] == ""
    assert await answer(http.post("/api/login", json=given)) == (200, {"user": given["user"]})


async def test_the_session_is_not_for_scripts_nor_for_other_sites(http):
    async with http.post("/api/register", json=account()) as response:
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_a_logged_out_session_is_dead_on_the_server_too(http, url):
    async with http.post("/api/register", json=account()) as response:
        (cookie,) = response.cookies.values()
    await answer(http.post("/api/logout", json={}))
    async with aiohttp.ClientSession(url, cookies={cookie.key: cookie.value}) as thief:
        assert (await answer(thief.get("/api/me")))[1]["user"] == ""


async def test_a_taken_name_is_said(http):
    given = account()
    await answer(http.post("/api/register", json=given))
    status, said = await answer(http.post("/api/register", json=given))
    assert (status, "taken" in said["error"]) == (409, True)


@pytest.mark.parametrize("change", [{"password": "wrong password"}, {"user": "nobody-at-all"}])
async def test_a_wrong_password_and_an_unknown_name_look_alike(http, change):
    given = account()
    await answer(http.post("/api/register", json=given))
    said = await answer(http.post("/api/login", json=given | change))
    assert said == (401, {"error": "wrong name or password", "code": "log-in.wrong", "params": {}})


@pytest.mark.parametrize(
    "given",
    [
        {"password": "short"},
        {"user": "<script>"},
        {"user": ""},
        {"user": 7},
        {"password": "x" * 300},
        {"user": "a\n"},
    ],
)
async def test_an_account_that_can_not_be(http, given):
    status, said = await answer(http.post("/api/register", json=account(**given)))
    assert status == 422
    assert said["error"]


async def test_bodies_that_are_not_json_are_refused(http):
    for data in (b"", b"{", b"\xff", b"[" * 4000):
        headers = {"Content-Type": "application/json"}
        assert (await answer(http.post("/api/login", data=data, headers=headers)))[0] in (400, 422)
    status, said = await answer(http.post("/api/login", data={"user": "a"}))
    assert (status, said["error"]) == (415, "send JSON, as application/json")


async def test_a_request_over_the_size_limit_is_refused(http):
    status, said = await answer(http.post("/api/login", json=account(password="x" * 9000)))
    assert (status, "8192" in said["error"]) == (413, True)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example"]
)
async def test_no_other_sites_page_may_post(http, origin):
    call = http.post("/api/login", json=account(), headers={"Origin": origin})
    assert (await answer(call))[0] == 403


async def test_our_own_page_may_post(http, url):
    call = http.post("/api/register", json=account(), headers={"Origin": url})
    assert (await answer(call))[0] == 200


async def test_trends_are_for_managers_and_counted_once_a_minute(http, settings, monkeypatch):
    assert (await answer(http.get("/api/trends")))[0] == 401
    given = account()
    await answer(http.post("/api/register", json=given))
    assert (await answer(http.get("/api/trends")))[0] == 403
    await asyncio.to_thread(promote, settings, given["user"])
    counted = []
    count = ActivityStore.trends

    async def counting(store, *asked):
        counted.append(asked)
        return await count(store, *asked)

    monkeypatch.setattr(ActivityStore, "trends", counting)
    asked = [answer(http.get(f"/api/trends?since={1_200_000_000 + n}")) for n in range(5)]
    answers = await asyncio.gather(*asked)
    assert [status for status, _ in answers] == [200] * 5
    assert "words" in answers[0][1]
    assert counted == [(1_200_000_000, 10)]


async def test_the_page_and_its_scripts_are_served_with_a_strict_policy(http):
    for path in ("/", "/static/app.js", "/static/vendor/socket.io.js"):
        async with http.get(path) as response:
            assert response.status == 200
            policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/static/../settings.py", "/static/%2e%2e/settings.py", "/nope"])
async def test_nothing_else_is_served(http, path):
    async with http.get(path) as response:
        assert response.status == 404


async def test_health(http):
    assert await answer(http.get("/healthz")) == (200, {"status": "ok"})
