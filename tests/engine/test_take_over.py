"""Handshakes of websockets: read once where they are usual, and by uvicorn where not."""

import asyncio
import base64
from urllib.parse import urlsplit

import pytest

from nochat.engine.upgrade import MOST, Upgrade
from tests.engine.peers import serving

KEY = base64.b64encode(b"0123456789abcdef").decode()
USUAL = {
    "Host": "127.0.0.1",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(first="GET /a%20b?c=d HTTP/1.1", more=(), **changed):
    named = USUAL | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join([first, *lines, *more, "", ""]).encode("latin1")


def test_a_usual_handshake_is_read():
    upgrade = Upgrade.read(request(more=["Cookie:  a=b; c=\xe9 "]))
    assert upgrade.target == b"/a%20b?c=d"
    assert upgrade.key == KEY
    assert upgrade.headers[0] == (b"host", b"127.0.0.1")
    assert upgrade.headers[-1] == (b"cookie", b"a=b; c=\xe9")


@pytest.mark.parametrize(
    "other",
    [
        request("POST / HTTP/1.1"),
        request("GET / HTTP/1.0"),
        request("GET http://x/ HTTP/1.1"),
        request("GET /a b HTTP/1.1"),
        request(Host=None),
        request(Connection="keep-alive"),
        request(Upgrade="h2c"),
        request(Sec_WebSocket_Version="8"),
        request(Sec_WebSocket_Key="short"),
        request(more=["Host: other"]),
        request(more=["Content-Length: 0"]),
        request(more=["Transfer-Encoding: chunked"]),
        request(more=[" folded"]),
        request(more=["Name : value"]),
        request(more=["Name: a\0b"]),
        request(more=["no colon"]),
        request(more=["X: " + "x" * MOST]),
        request() + b"x",
        request()[:-2],
        request().replace(b"\r\n", b"\n"),
        b"",
    ],
)
def test_what_is_unusual_is_left_to_a_whole_parser(other):
    assert Upgrade.read(other) is None


async def exchange(app, asked, then=b""):
    """Send a request to an application, and then more; give what comes back, of that as much."""
    async with serving(app) as url, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(asked)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
        answer += await (reader.readexactly(len(then)) if then else reader.read())
        writer.close()
        return answer


async def accepts(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    assert (await receive())["text"] == "ping"
    await send({"type": "websocket.send", "text": scope["path"]})
    await send({"type": "websocket.close"})


async def refuses(scope, receive, send):
    await send({"type": "websocket.close"})


async def answers(scope, receive, send):
    start = {"type": "websocket.http.response.start", "status": 418, "headers": []}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b"tea"})


async def fails(scope, receive, send):
    raise RuntimeError("on purpose")


async def says_nothing(scope, receive, send):
    await receive()


PING = b"\x81\x84\0\0\0\0ping"


@pytest.mark.parametrize(
    ("app", "status", "body"),
    [
        (accepts, 101, b"\x81\x04/a b\x88\x02\x03\xe8"),
        (refuses, 403, b""),
        (answers, 418, b"tea"),
        (fails, 500, b""),
        (says_nothing, 500, b""),
    ],
)
@pytest.mark.parametrize("usual", [True, False])
async def test_an_application_may_serve_the_websocket_itself(app, status, body, usual):
    asked = request("GET /a%20b HTTP/1.1", more=[] if usual else ["Expect: nothing"])
    assert bool(Upgrade.read(asked)) == usual
    answer = await exchange(app, asked, PING if status == 101 else b"")
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert body in rest


async def test_what_no_websocket_is_opened_with_is_refused():
    answer = await exchange(accepts, request(Sec_WebSocket_Version="8"), b"")
    assert answer.startswith(b"HTTP/1.1 400 ")
