"""A client that never reads costs a bounded amount, and is dropped."""

import asyncio
import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from yarl import URL

from nochat.lab.people import Person
from nochat.runtime import connections
from nochat.services.gateway import bounds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("engine", ["nochat", "python-socketio"]),
]


async def deaf(person):
    """A websocket in a person's session that is opened, and then never read from."""
    place = urlsplit(person.url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, (place.hostname, place.port))
    cookies = person._http.cookie_jar.filter_cookies(URL(person.url))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    request = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Cookie: {cookie}\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(raw, 1)
    await loop.sock_sendall(raw, frame("40"))  # socket.io's "connect"
    return raw


def frame(text):
    """A masked text frame, with a mask of zeros."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


async def test_a_client_that_never_reads_is_dropped_and_others_are_served(
    attacked, monkeypatch, caplog
):
    monkeypatch.setattr(bounds, "MOST_BACKLOG", 20_000)
    monkeypatch.setattr(connections, "STALLED", 3)
    async with (
        attacked(user_rate=0) as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
    ):
        raw = await deaf(eve)
        await eve.disconnect()
        text = "x" * 4000
        for number in range(400):
            await ana.says(f"{number} {text}"[:4000])
            if "slow client" in caplog.text:
                break
        [length] = map(int, re.findall(r"slow client .*: (\d+)", caplog.text))
        assert length < 20_000 + 2 * 4000 * 4  # and one packet more at most
        assert number < 200  # the system holds little of it
        await ana.until(lambda: any(e == "presence" and "eve" in d["went"] for e, d in ana.told))
        await bob.until(lambda: len(bob.texts()) == number + 1)
        await until_closed(raw)


async def until_closed(raw):
    """The server cuts the connection, although its last frames were never read."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while True:
            try:
                if not await loop.sock_recv(raw, 65536):
                    break
            except ConnectionResetError:
                break
    raw.close()


@pytest.mark.parametrize("count", [3])
async def test_a_polling_client_that_never_polls_is_dropped(attacked, monkeypatch, count):
    monkeypatch.setattr(bounds, "MOST_BACKLOG", 50_000)
    async with attacked(user_rate=0) as url, Person("eve", url) as eve, Person("ana", url) as ana:
        polling = f"{url}/socket.io/?EIO=4&transport=polling"
        for _ in range(count):
            async with eve._http.get(polling) as response:
                sid = json.loads((await response.text())[1:])["sid"]
            async with eve._http.post(f"{polling}&sid={sid}", data="40") as response:
                assert response.status == 200
        await eve.disconnect()
        for _ in range(40):
            await ana.says("x" * 4000)
        await ana.until(lambda: any(e == "presence" and "eve" in d["went"] for e, d in ana.told))
        async with eve._http.get(f"{polling}&sid={sid}") as response:
            assert response.status == 400
