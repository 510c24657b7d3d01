"""One rule says whose page may act here: the same table for the function, REST and a socket."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest
import socketio
from hypothesis import given
from hypothesis import strategies as st

from nochat.bus import connect
from nochat.lab.chat import RATES
from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, origin, registry
from nochat.runtime.http_server import ProxyMiddleware
from nochat.runtime.origin import cookie_names, further_origins, gateway_origin, may_act
from nochat.services.web import Web
from nochat.settings import Settings, SettingsError


def trusted(settings: Settings) -> ProxyMiddleware:
    return ProxyMiddleware(Web, settings.proxies)


ELSEWHERE = "https://pages.example"
# What the page's origin is, what the request says, whether a proxy that is believed says it too,
# and whether the page may act.
CASES = [
    ("http://chat.example", {"Host": "chat.example"}, True),
    ("http://chat.example:8000", {"Host": "chat.example:8000"}, True),
    ("http://chat.example", {"Host": "chat.example:80"}, True),
    ("http://chat.example", {"Host": "CHAT.Example"}, True),
    ("http://chat.example", {"Host": "chat.example."}, True),
    ("http://CHAT.example:80", {"Host": "chat.example"}, True),
    ("http://[::1]:8000", {"Host": "[::1]:8000"}, True),
    ("http://[::1]", {"Host": "[0:0:0:0:0:0:0:1]:80"}, True),
    # TLS ends at a proxy that says nothing of it.
    ("https://chat.example", {"Host": "chat.example"}, True),
    ("https://chat.example", {"Host": "chat.example:443"}, True),
    ("https://chat.example:8443", {"Host": "chat.example:8443"}, True),
    # It says so: then the page, too, must have come encrypted.
    ("https://chat.example", {"Host": "chat.example", "X-Forwarded-Proto": "https"}, True),
    ("https://chat.example", {"Host": "chat.example:443", "X-Forwarded-Proto": "https"}, True),
    ("http://chat.example", {"Host": "chat.example", "X-Forwarded-Proto": "https"}, False),
    # The proxy asks us by another name, and tells the one that it was asked for.
    ("https://chat.example", {"Host": "inner:8000", "X-Forwarded-Host": "chat.example"}, True),
    ("https://chat.example", {"Host": "inner", "X-Forwarded-Host": "chat.example:443"}, True),
    ("https://chat.example", {"Host": "a", "X-Forwarded-Host": "Chat.example, b"}, True),
    ("http://inner:8000", {"Host": "inner:8000", "X-Forwarded-Host": "chat.example"}, False),
    (ELSEWHERE, {"Host": "chat.example"}, True),  # as NOCHAT_ORIGINS says
    ("https://PAGES.example:443", {"Host": "chat.example"}, True),
    ("http://pages.example", {"Host": "chat.example"}, False),
    ("http://chat.example:8001", {"Host": "chat.example:8000"}, False),
    ("http://chat.example", {"Host": "chat.example:8000"}, False),
    ("http://chat.example:8000", {"Host": "chat.example"}, False),
    ("http://evil.example", {"Host": "chat.example"}, False),
    ("http://chat.example.evil.example", {"Host": "chat.example"}, False),
    ("http://evil.example@chat.example", {"Host": "chat.example"}, False),
    ("http://[::2]", {"Host": "[::1]"}, False),
    ("null", {"Host": "chat.example"}, False),
    ("null", {"Host": "null"}, False),
    ("file://", {"Host": "chat.example"}, False),
    ("ftp://chat.example", {"Host": "chat.example"}, False),
    ("http://chat.example/", {"Host": "chat.example"}, False),
    ("http://x y", {"Host": "x y"}, False),
    ("http://chat.example:99999", {"Host": "chat.example:99999"}, False),
    ("http://", {"Host": ""}, False),
]
IDS = [f"{page} at {' '.join(says.values())}" for page, says, _ in CASES]


def request(says: dict[str, str], page: str = "") -> dict:
    """A request as it is when a proxy's words were put in their place."""
    host = says.get("X-Forwarded-Host", says["Host"]).partition(",")[0]
    headers = [(b"host", host.encode()), (b"origin", page.encode())]
    return {"scheme": says.get("X-Forwarded-Proto", "http"), "headers": headers}


@pytest.mark.parametrize(("page", "says", "may"), CASES, ids=IDS)
def test_only_pages_of_allowed_origins_may_act(page, says, may):
    further = further_origins(Settings(origins=ELSEWHERE))
    assert may_act(page, request(says), further) is may


@pytest.fixture
def running(tmp_path, _quick_passwords):
    """A chat in this process: `async with running(port=…) as url`."""

    @asynccontextmanager
    async def running(names=(), **given):
        limits = dict.fromkeys(RATES, 0.0)
        known = {"bus_url": f"memory://{new_id()}", "data_dir": str(tmp_path / new_id()), "port": 0}
        settings = Settings(**known | limits | given)
        async with bootstrap.started(registry.services(names or registry.NAMES), settings) as url:
            yield url

    return running


async def answers(http: aiohttp.ClientSession, url: str, headers: dict) -> tuple[bool, bool, bool]:
    """Whether a page may post, poll and open a websocket."""
    engine = f"{url}/socket.io/?EIO=4&transport="
    async with http.post(f"{url}/api/logout", json={}, headers=headers) as posted:
        assert posted.status in (200, 403)
    async with http.get(f"{engine}polling", headers=headers) as polled:
        assert polled.status in (200, 400)
    try:
        async with http.ws_connect(f"{engine}websocket", headers=headers):
            opened = True
    except aiohttp.WSServerHandshakeError:
        opened = False
    return posted.status == 200, polled.status == 200, opened


async def test_rest_and_sockets_agree_on_it(running):
    actual, expected = {}, {}
    # By whatever name it is asked for: that has a rule of its own, in `nochat/runtime/hosts.py`.
    async with running(origins=ELSEWHERE, hosts="*") as url, aiohttp.ClientSession() as http:
        for name, (page, says, may) in zip(IDS, CASES, strict=True):
            actual[name] = await answers(http, url, {"Origin": page, **says})
            expected[name] = (may,) * 3
    assert actual == expected


async def test_only_trusted_proxies_set_our_own_address(running):
    async with running(proxies="10.9.9.9") as url, aiohttp.ClientSession() as http:
        says = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
        assert await answers(http, url, says) == (False,) * 3
        says = {"Origin": url, "X-Forwarded-Host": "evil.example"}
        assert await answers(http, url, says) == (True,) * 3


@pytest.mark.parametrize(
    ("says", "gateway", "expected"),
    [
        ({"Host": "chat.example"}, "", "wss://chat.example"),
        ({"Host": "CHAT.example:443"}, "", "wss://chat.example:443"),
        ({"Host": "inner", "X-Forwarded-Host": "chat.example"}, "", "wss://chat.example"),
        ({"Host": "chat.example"}, "http://Sockets.example:81/", "ws://sockets.example:81"),
        # A policy knows no IPv6: `'self'` means the gateway here, and only its port one elsewhere.
        ({"Host": "[::1]:8000"}, "", "connect-src 'self';"),
        ({"Host": "[::1]:8000"}, "http://[::1]:8001", "ws://*:8001"),
        ({"Host": "x; script-src *"}, "", "connect-src 'self';"),
    ],
)
async def test_the_policy_names_the_same_address(says, gateway, expected):
    async with connect("memory://policy", "web") as bus:
        app = ProxyMiddleware(Web(bus, Settings(gateway_url=gateway)).app, "*")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            answer = await http.get("/healthz", headers=says)
    policy = answer.headers["Content-Security-Policy"]
    assert expected in policy
    assert "script-src *" not in policy


@pytest.mark.parametrize(
    ("use", "wrong", "expected"),
    [
        (further_origins, {"origins": "chat.example"}, "NOCHAT_ORIGINS: 'chat.example' is no"),
        (further_origins, {"origins": "https://a.example/x"}, "NOCHAT_ORIGINS"),
        (gateway_origin, {"gateway_url": "127.0.0.1:8001"}, "NOCHAT_GATEWAY_URL: '127.0.0.1:8001'"),
        (trusted, {"proxies": "127.0.0.1, proxy.example"}, "NOCHAT_PROXIES.*'proxy.example'"),
        (trusted, {"proxies": "10.0.0.1/8"}, "NOCHAT_PROXIES.*host bits"),
    ],
)
def test_a_setting_that_would_never_fit_is_refused(use, wrong, expected):
    with pytest.raises(SettingsError, match=expected):
        use(Settings(**wrong))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("chat.example", "nochat_session"),
        ("chat.example:80", "nochat_session"),
        ("chat.example:443", "nochat_session"),
        ("127.0.0.1:8000", "nochat_session_8000"),
        ("[::1]:8443", "nochat_session_8443"),
        ("no address", "nochat_session"),
    ],
)
def test_a_cookie_is_named_by_the_port_of_the_page(said, expected):
    assert cookie_names(request({"Host": said})) == [expected]


def test_behind_tls_the_cookie_is_of_the_host_alone():
    """The plain name is not read there: another host of the domain, or plain http, may set it."""
    assert cookie_names(request({"Host": "chat.example"}) | {"scheme": "https"}) == [
        "__Host-nochat_session"
    ]
    assert cookie_names(request({"Host": "chat.example:8443"}) | {"scheme": "wss"}) == [
        "__Host-nochat_session_8443"
    ]


def test_a_gateway_of_its_own_takes_the_cookie_of_the_page_that_asks():
    further = further_origins(Settings(origins="http://127.0.0.1:8000,https://chat.example"))
    here = {"Host": "127.0.0.1:8001"}
    names = cookie_names(request(here, "http://127.0.0.1:8000"), further)
    assert names == ["nochat_session_8001", "nochat_session_8000"]
    names = cookie_names(request(here, "http://127.0.0.1:9"), further)
    assert names == ["nochat_session_8001"]
    # Long polling, and who is no browser, may not say where the page is.
    # Nor may the proxy say that the page came by https.
    assert {*cookie_names(request(here), further)} == {
        "__Host-nochat_session",
        "nochat_session",
        "nochat_session_8000",
        "nochat_session_8001",
    }


async def test_two_chats_on_one_host_do_not_log_each_other_out(running):
    """Cookies know hosts, and no ports: one browser, two chats, in both of them somebody else."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        running() as one,
        running() as other,
        aiohttp.ClientSession(cookie_jar=jar) as http,
    ):
        for url, name in ((one, "ana"), (other, "bea")):
            account = {"user": name, "password": "a good password"}
            async with http.post(f"{url}/api/register", json=account) as response:
                assert response.status == 200
        for url, name in ((one, "ana"), (other, "bea")):
            async with http.get(f"{url}/api/me") as response:
                assert (await response.json())["user"] == name
            socket, welcome = socketio.AsyncClient(http_session=http), asyncio.Event()
            told = []
            socket.on(
                "welcome",
                lambda data, told=told, welcome=welcome: (told.append(data), welcome.set()),
            )
            await socket.connect(url)
            await asyncio.wait_for(welcome.wait(), 5)
            assert told[0]["user"] == name
            await socket.disconnect()
        async with http.post(f"{one}/api/logout", json={}) as response:
            assert response.status == 200
        async with http.get(f"{other}/api/me") as response:
            assert (await response.json())["user"] == "bea"


@given(st.text(), st.text())
def test_no_text_crashes_it(host, page):
    says = {"scheme": "http", "headers": [(b"host", host.encode()), (b"origin", page.encode())]}
    assert may_act(page, says) in (True, False)
    assert cookie_names(says)


def test_an_address_of_ipv6_has_brackets():
    assert origin.url("::1", 8000) == "http://[::1]:8000"
    assert origin.url("fe80::1%eth0", 80) == "http://[fe80::1%25eth0]:80"
    assert origin.url("chat.example", 1) == "http://chat.example:1"
