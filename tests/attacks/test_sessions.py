"""Sessions: rotated, unreadable for scripts, of no use to other sites, over when they are over."""

from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.protocol.payloads import COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEHIND_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


def an_account():
    return {"user": f"u{new_id()[:10]}", "password": "a good password"}


def browser(url, token=""):
    """A browser, with a session's token if one is given."""
    jar = aiohttp.CookieJar(unsafe=True)
    cookies = {f"{COOKIE}_{urlsplit(url).port}": token} if token else {}
    return aiohttp.ClientSession(url, cookie_jar=jar, cookies=cookies)


async def enter(http, account, path="/api/register", **headers):
    """Register or log in; returns the Set-Cookie header and the token."""
    async with http.post(path, json=account, headers=headers) as response:
        assert response.status == 200
        (cookie,) = response.cookies.values()
        return response.headers["Set-Cookie"], cookie.value


async def user_of(url, token):
    async with browser(url, token) as http, http.get("/api/me") as response:
        return (await response.json())["user"]


async def test_a_login_gives_another_session_and_ends_the_one_it_came_with(attacked):
    account = an_account()
    async with attacked() as url, browser(url) as http:
        _, first = await enter(http, account)
        _, second = await enter(http, account, "/api/login")
        assert first != second
        assert await user_of(url, first) == ""
        assert await user_of(url, second) == account["user"]


async def test_nobody_is_given_a_session_that_another_has_chosen(attacked):
    async with attacked() as url, browser(url, "chosen-by-eve") as http:
        _, token = await enter(http, an_account())
        assert token != "chosen-by-eve"
        assert len(token) >= 43  # 256 bits
        assert await user_of(url, "chosen-by-eve") == ""


async def test_the_cookie_is_for_no_script_no_other_site_and_behind_tls_for_tls_alone(attacked):
    account = an_account()
    async with attacked() as url, browser(url) as http:
        plain, _ = await enter(http, account)
        assert "HttpOnly" in plain
        assert "SameSite=lax" in plain
        assert "Path=/" in plain
        assert "Secure" not in plain
        secure, _ = await enter(http, account, "/api/login", **BEHIND_TLS)
        assert secure.startswith("__Host-nochat_session_")
        assert "; Secure" in secure
        assert "Path=/" in secure
        assert "Domain" not in secure
        async with http.get("/", headers=BEHIND_TLS) as response:
            assert "max-age=" in response.headers["Strict-Transport-Security"]
        async with http.get("/") as response:
            assert "Strict-Transport-Security" not in response.headers


async def test_behind_tls_nobody_plants_a_session_by_plain_http_or_from_another_host(attacked):
    """Such a cookie has the plain name: browsers take `__Host-` from this host by TLS alone."""
    account = an_account()
    async with attacked() as url, browser(url) as eve:
        _, planted = await enter(eve, account)
        plain = f"{COOKIE}_{urlsplit(url).port}"
        for name, expected in ((plain, ""), (f"__Host-{plain}", account["user"])):
            headers = BEHIND_TLS | {"Cookie": f"{name}={planted}"}
            async with browser(url) as victim, victim.get("/api/me", headers=headers) as response:
                assert (await response.json())["user"] == expected
            assert await opens_a_socket(url, headers) == bool(expected)


async def opens_a_socket(url, headers):
    socket = socketio.AsyncClient(reconnection=False)
    try:
        await socket.connect(url, headers=headers)
    except socketio.exceptions.ConnectionError:
        return False
    await socket.disconnect()
    return True


POSTS = [
    "/api/register",
    "/api/login",
    "/api/logout",
    "/api/password",
    "/api/sessions/end-others",
    "/api/sessions/0123/end",
    "/api/account/delete",
    "/api/manage/users/ana",
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
async def test_no_page_of_another_site_can_post(shared, path, headers):
    async with (
        browser(shared) as http,
        http.post(path, json=an_account(), headers=headers) as response,
    ):
        assert response.status == 403
        assert not response.cookies


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_content_types_of_plain_forms_are_refused(shared, kind):
    """A page may send these types to any site, without asking."""
    body = b'{"user": "ana", "password": "a good password"}'
    headers = {"Content-Type": kind}
    async with (
        browser(shared) as http,
        http.post("/api/register", data=body, headers=headers) as response,
    ):
        assert response.status == 415


async def test_a_socket_ends_with_its_session(attacked, monkeypatch):
    monkeypatch.setattr("nochat.services.gateway.sockets.REPORT_EVERY", 0.1)
    async with attacked(session_hours=1.5 / 3600) as url, Person("ana", url) as ana:
        await ana.until(lambda: any(event == "signed-out" for event, _ in ana.told))
        with pytest.raises(RuntimeError, match="log in first"):
            await ana.connect()


async def test_an_old_cookie_opens_no_socket(attacked):
    async with attacked() as url, Person("ana", url) as ana:
        await ana._ask("POST", "/api/logout", {})
        with pytest.raises(RuntimeError, match="log in first"):
            await ana.connect()


@pytest.mark.parametrize("name", ["bot", "BOT", "ＢＯＴ", "𝐛𝐨𝐭", "nochat", "System"])
async def test_nobody_takes_the_name_of_a_part_of_the_chat(shared, name):
    account = {"user": name, "password": "a good password"}
    async with browser(shared) as http, http.post("/api/register", json=account) as response:
        assert (response.status, "taken" in await response.text()) == (409, True)
