"""What a client could make the chat spend before a limit counted it: it is put out, in time."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from nochat.lab import checks
from nochat.lab.people import Person
from nochat.runtime import connections
from nochat.services.gateway import bounds

pytestmark = pytest.mark.slow

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"
# No client of the chat sends any of these.
UNWANTED = {
    "an event that announces attachments": '45999999999-["message",{"_placeholder":true,"num":0}]',
    "an acknowledgement with attachments": '469999999999-1["x"]',
    "bytes": b"\x00" * 60_000,
    "an event that there is not": '42["nope",{}]',
    "an event of the server's own": '42["disconnect"]',
    "no event": '42{"message":1}',
    "an acknowledgement of nothing": '431["x"]',
    "a refusal": '44{"message":"x"}',
    "another namespace": "40/admin,",
    "a second entrance": "40",
    "no type": "4",
    "a type that there is not": "49",
    "a handshake": "0{}",
    "a ping of the server's": "2",
    "a change of transport": "5",
    "nothing": "6",
    "no packet": "x",
    "deep JSON": "42" + "[" * 30_000,
    "deep JSON, below": "4" + "[" * 30_000,
}


def cookie(person):
    return "; ".join(f"{morsel.key}={morsel.value}" for morsel in person._http.cookie_jar)


def a_websocket(url, cookie="", path=WEBSOCKET, **headers):
    headers |= {"Cookie": cookie} if cookie else {}
    where = url.replace("http", "ws", 1) + path
    return connect(where, additional_headers=headers, proxy=None, close_timeout=1)


async def enter(ws):
    await ws.send("40")
    while not (await ws.recv()).startswith("40"):
        pass


async def closed(ws, seconds=10.0):
    """Read until the chat closes it; how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed:
            return time.monotonic() - began


async def raw(url, text):
    """A connection on which some bytes were sent."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(text.encode())
    return reader, writer


async def ended(reader, seconds=10.0):
    """Read until the chat closes it."""
    async with asyncio.timeout(seconds):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def they_talk(ana, bob):
    word = f"still here {time.monotonic()}"
    await ana.says(word)
    await bob.until(lambda: word in bob.texts())


@pytest.mark.each_engine
async def test_unused_packets_close_the_socket_and_others_are_unaffected(attacked):
    async with (
        attacked(login_rate=0) as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
    ):
        for what, packet in UNWANTED.items():
            async with a_websocket(url, cookie(eve)) as ws:
                await enter(ws)
                await ws.send(packet)
                try:
                    await closed(ws, 5)
                except TimeoutError:
                    pytest.fail(f"a socket that sent {what} stays open")
        await they_talk(ana, bob)


@pytest.mark.each_engine
async def test_the_same_by_long_polling(attacked):
    bodies = ["bAAAA", '451-["message"]', "4", '42["nope"]', "d=40", "2", "\x1e", "40\x1e40"]
    async with attacked(login_rate=0) as url, Person("eve", url) as eve:
        for body in bodies:
            async with eve._http.get(url + POLLING) as response:
                sid = json.loads((await response.text())[1:])["sid"]
            async with eve._http.post(f"{url}{POLLING}&sid={sid}", data=body) as response:
                assert response.status == 400, body
            async with eve._http.get(f"{url}{POLLING}&sid={sid}") as response:
                assert response.status == 400, body


@pytest.mark.each_engine
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("packet", ["3", '42["typing",{"room":"lobby"}]'])
async def test_every_packet_is_counted_also_before_the_log_in(attacked, inside, packet):
    async with (
        attacked() as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
        a_websocket(url, cookie(eve)) as ws,
    ):
        if inside:
            await enter(ws)
        with suppress(ConnectionClosed):
            for _ in range(5000):
                await ws.send(packet)
        await closed(ws, 20)
        await they_talk(ana, bob)


@pytest.mark.each_engine
async def test_a_burst_of_messages_is_no_flood(attacked):
    """A page that was away sends all that waited, by long polling in one request."""
    async with attacked() as url, Person("ana", url) as ana, Person("bob", url) as bob:
        async with ana._http.get(url + POLLING) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        message = '42{}["message",{{"room":"lobby","client_id":"it-is-number-{}","text":"{}"}}]'
        body = "\x1e".join(["40", *(message.format(n, n, n) for n in range(90))])
        async with ana._http.post(f"{url}{POLLING}&sid={sid}", data=body) as response:
            assert response.status == 200
        await bob.until(lambda: {f"{n}" for n in range(90)} <= set(bob.texts()))


@pytest.mark.each_engine
async def test_a_socket_without_a_log_in_is_closed_in_time(attacked, monkeypatch):
    monkeypatch.setattr(bounds, "ENTERING", 1.0)
    async with (
        attacked(login_rate=0) as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
        AsyncExitStack() as stack,
    ):

        async def opened(*packets, as_eve=True):
            ws = await stack.enter_async_context(a_websocket(url, cookie(eve) if as_eve else ""))
            await ws.recv()
            for packet in packets:
                await ws.send(packet)
            return ws

        async with eve._http.get(url + POLLING) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        where = url.replace("http", "ws", 1) + f"{WEBSOCKET}&sid={sid}"
        upgrading = connect(where, additional_headers={"Cookie": cookie(eve)}, proxy=None)
        sockets = [
            await opened(),
            await opened(as_eve=False),
            await opened("40", as_eve=False),  # refused, and stays
            await opened("41"),
            await opened("40", "41"),  # has left, and stays
            await stack.enter_async_context(upgrading),
        ]
        await asyncio.gather(*(closed(ws, 8) for ws in sockets))
        async with eve._http.get(f"{url}{POLLING}&sid={sid}") as response:
            assert response.status == 400
        await ana.says("I am in, and stay")
        await ana.until(lambda: "I am in, and stay" in ana.texts())


@pytest.mark.each_engine
async def test_one_change_of_transport_at_a_time(attacked):
    async with attacked() as url, Person("eve", url) as eve:
        async with eve._http.get(url + POLLING) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        where = f"{url}{WEBSOCKET}&sid={sid}"
        async with eve._http.ws_connect(where):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await eve._http.ws_connect(where)


@pytest.mark.each_engine
async def test_a_user_has_a_bounded_number_of_sockets(attacked):
    async with (
        attacked(user_sockets=3) as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
    ):
        async with a_websocket(url, cookie(eve)) as second, a_websocket(url, cookie(eve)) as third:
            await enter(second)
            await enter(third)
            async with a_websocket(url, cookie(eve)) as fourth:
                await fourth.recv()
                await fourth.send("40")
                assert "too many windows" in await fourth.recv()
            async with a_websocket(url, cookie(ana)) as another:
                await enter(another)

        async def comes_in():
            async with a_websocket(url, cookie(eve)) as again:
                await again.recv()
                await again.send("40")
                return "sid" in await again.recv()

        async with asyncio.timeout(10):
            while not await comes_in():
                pass


@pytest.mark.each_engine
async def test_an_address_has_a_bounded_number_of_sockets(attacked):
    async with attacked(address_connections=5) as url, AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(a_websocket(url, **{"X-Forwarded-For": "2001:db8::1"}))
        async with aiohttp.ClientSession() as http:
            headers = {"X-Forwarded-For": "2001:db8::ffff"}  # of the same network
            async with http.get(url + POLLING, headers=headers) as response:
                assert response.status == 429
                assert (await response.json())["code"] == "socket.address"
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url + WEBSOCKET, headers=headers)
        async with a_websocket(url, **{"X-Forwarded-For": "2001:db8:0:1::1"}) as other:
            assert (await other.recv()).startswith("0")


async def test_an_address_has_a_bounded_number_of_requests_under_way(attacked):
    slow = (
        "POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
        "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    async with attacked(address_connections=5) as url, aiohttp.ClientSession() as http:

        async def status(host):
            async with http.get(f"{url}/healthz", headers={"X-Forwarded-For": host}) as response:
                return response.status

        held = [await raw(url, slow) for _ in range(5)]
        async with asyncio.timeout(10):
            while await status("192.0.2.1") != 429:
                pass
        assert await status("192.0.2.2") == 200
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(10):
            while await status("192.0.2.1") != 200:
                pass


async def test_headers_and_bodies_that_do_not_come_end_the_connection(attacked, monkeypatch):
    monkeypatch.setattr(connections, "ASKING", 1.0)
    head = "POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    unfinished = [
        "",
        "GET / HT",
        head,
        f"{head}Content-Length: 50\r\n\r\n",
        f"{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n",
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT",  # the second of a connection
    ]
    async with attacked() as url, Person("ana", url) as ana:
        held = [await raw(url, text) for text in unfinished]

        async def trickle(writer):
            """A byte now and then, which must not lengthen the time."""
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.1)

        trickling = [asyncio.create_task(trickle(writer)) for _, writer in held[1:5]]
        try:
            await asyncio.gather(*(ended(reader, 8) for reader, _ in held))
        finally:
            for task in trickling:
                task.cancel()
            for _, writer in held:
                writer.close()
        await ana.says("I took my time")  # a socket that is open is no request
        await ana.until(lambda: "I took my time" in ana.texts())


async def test_requests_are_answered_beside_silent_connections(attacked, caplog):
    async with attacked(address_connections=20) as url:
        silent = [await raw(url, "") for _ in range(100)]
        async with Person("ana", url) as ana:
            await ana.says("I got in")
        async with asyncio.timeout(5):
            assert await silent[0][0].read() == b""  # the first made room
        for _, writer in silent:
            writer.close()
    said = [message for message in caplog.messages if "too many silent connections" in message]
    assert len(said) == 1
    assert "127.0.0.1" in said[0]


@pytest.mark.each_engine
@pytest.mark.parametrize("first", [b"\x89", b"\x8a", b"\x00"], ids=["ping", "pong", "continuation"])
async def test_frames_that_are_no_message_are_counted(attacked, first):
    """They never reach the chat, and each costs memory: of fragments, or of answers to pings."""
    async with attacked() as url, Person("eve", url) as eve:
        handshake = (
            f"GET {WEBSOCKET} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: {cookie(eve)}\r\n\r\n"
        )
        reader, writer = await raw(url, handshake)
        await reader.readuntil(b"\r\n\r\n")
        begin = b"\x01\x80\0\0\0\0" if first == b"\x00" else b""
        writer.write(begin + (first + b"\x80\0\0\0\0") * 1000)
        await ended(reader, 5)
        writer.close()


@pytest.mark.each_engine
async def test_answers_of_the_gateway_have_the_headers_of_the_page(attacked):
    async with attacked() as url, aiohttp.ClientSession() as http:
        for path in (POLLING, "/socket.io/", f"{POLLING}&sid=nobody", f"{POLLING}&j=0"):
            async with http.get(url + path) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Referrer-Policy"] == "same-origin"
                assert response.headers["Cache-Control"] == "no-store"
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                assert "Strict-Transport-Security" not in response.headers
        async with http.post(f"{url}/api/login", data=b"x" * 100_000) as response:
            assert response.status == 413  # by the turnstile, before any application
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.each_engine
async def test_answers_of_the_gateway_behind_tls_say_so(attacked):
    async with attacked() as url, aiohttp.ClientSession() as http:
        headers = {"X-Forwarded-Proto": "https"}
        async with http.get(url + POLLING, headers=headers) as response:
            assert "max-age" in response.headers["Strict-Transport-Security"]


@pytest.mark.each_engine
async def test_no_answer_is_a_script(attacked):
    async with attacked() as url, aiohttp.ClientSession() as http:
        for query in ("&j=0", "&j=", "&j=x", "&%6a=0"):
            async with http.get(url + POLLING + query) as response:
                assert response.status == 400
                assert "___eio" not in await response.text()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{url}{WEBSOCKET}&j=0")


@pytest.mark.each_engine
async def test_one_line_in_the_log_names_a_disconnected_user(attacked, caplog):
    async with attacked() as url, Person("eve", url) as eve:
        for _ in range(5):
            async with a_websocket(url, cookie(eve)) as ws:
                await enter(ws)
                await ws.send('42["nope"]')
                await closed(ws)
        assert await checks.until(lambda: "an unexpected packet" in caplog.text)
    said = [message for message in caplog.messages if "an unexpected packet" in message]
    assert len(said) == 1
    assert "user eve" in said[0]
