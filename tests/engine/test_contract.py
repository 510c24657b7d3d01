"""What a gateway needs of a Socket.IO server: our own engine and python-socketio keep it alike."""

import asyncio
import json

import aiohttp
import msgspec
import pytest

from nochat import settings
from nochat.engine import ConnectionRefusedError
from nochat.runtime.origin import further_origins
from nochat.services.gateway import bounds
from nochat.services.gateway.handshake import Cookies
from nochat.services.gateway.socket_io import socket_server
from tests.engine.peers import SEPARATOR, Peer, ended, receive, serving

pytestmark = pytest.mark.parametrize("engine", ["nochat", "python-socketio"])


class App:
    """A server, what its handlers saw, and a client of it."""

    def __init__(self, server, peer):
        self.server, self.peer = server, peer
        self.seen = asyncio.Queue()
        server.on("connect", self.connect)
        server.on("disconnect", self.disconnect)
        server.on("echo", self.echo)

    async def connect(self, sid, environ, auth=None):
        """Let a client in; called by Socket.IO."""
        self.environ = environ
        if auth == {"user": "eve"}:
            raise ConnectionRefusedError("not you", {"code": "no"})
        self.seen.put_nowait(("connect", sid, auth))

    async def disconnect(self, sid, reason):
        """See a client off; called by Socket.IO."""
        self.seen.put_nowait(("disconnect", sid))

    async def echo(self, sid, data=None):
        """Answer with what was sent."""
        return data

    async def next(self):
        """What a handler saw next."""
        async with asyncio.timeout(10):
            return await self.seen.get()

    async def enter(self, websocket, auth=""):
        """Connect a client; give the id of its socket."""
        await websocket.send(f"40{auth}")
        told = await receive(websocket)
        assert told.startswith("40{"), told
        event, sid, _ = await self.next()
        assert (event, sid) == ("connect", json.loads(told[2:])["sid"])
        return sid


@pytest.fixture
async def start(engine, monkeypatch):
    """Starts a server of the kind: `app = await start(user_rate=5)`."""
    ends = []

    async def begin(**given):
        monkeypatch.setenv("NOCHAT_ENGINE", engine)
        chosen = msgspec.structs.replace(settings.load(), **{"user_rate": 0.0} | given)
        server = socket_server(chosen, Cookies(further_origins(chosen)))
        running = serving(server.app)
        url = await running.__aenter__()
        http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        ends.extend([lambda: running.__aexit__(None, None, None), server.shutdown, http.close])
        return App(server, Peer(http, None, None, url, "/socket.io/"))

    yield begin
    for end in reversed(ends):
        await end()


@pytest.fixture
async def app(start):
    """A server of the kind, without limits on what its client sends."""
    return await start()


# ---- in and out ---------------------------------------------------------------------------------


async def test_a_client_comes_and_goes(app):
    async with app.peer.session() as websocket:
        await websocket.send('40{"user":"ana"}')
        event, sid, auth = await app.next()
        assert (event, auth) == ("connect", {"user": "ana"})
        assert await receive(websocket) == f'40{{"sid":"{sid}"}}'
        assert app.environ["asgi.scope"]["path"] == "/socket.io/"
    assert await app.next() == ("disconnect", sid)


async def test_a_client_without_credentials(app):
    async with app.peer.session() as websocket:
        await websocket.send("40")
        assert (await app.next())[2] is None


async def test_a_client_that_is_refused_is_told_why(app):
    async with app.peer.session() as websocket:
        await websocket.send('40{"user":"eve"}')
        told = await receive(websocket)
        assert json.loads(told.removeprefix("44")) == {"message": "not you", "data": {"code": "no"}}


async def test_a_client_that_is_disconnected(app):
    async with app.peer.session() as websocket:
        sid = await app.enter(websocket)
        await app.server.emit("bye", {"why": "so"}, room=sid)
        await app.server.disconnect(sid)
        assert await receive(websocket) == '42["bye",{"why":"so"}]'
        assert await receive(websocket) == "41"
        assert await app.next() == ("disconnect", sid)
        await app.server.emit("more", room=sid)
        await app.server.disconnect(sid)


async def test_clients_that_never_log_in_or_that_are_refused_are_closed(start, monkeypatch):
    monkeypatch.setattr(bounds, "ENTERING", 0.3)
    app = await start()
    async with app.peer.session() as silent, app.peer.session() as eve, app.peer.session() as left:
        await eve.send('40{"user":"eve"}')
        await app.enter(left)
        await left.send("41")
        assert await ended(silent) == []
        assert len(await ended(eve)) == 1
        assert await ended(left) == []


async def test_at_the_end_every_client_is_closed(app):
    async with app.peer.session() as websocket:
        sid = await app.enter(websocket)
        await app.server.shutdown()
        await ended(websocket)
        assert await app.next() == ("disconnect", sid)


# ---- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["á", {"a": [1, None, "😀", 2**60]}, [], 0, None])
async def test_an_event_is_acknowledged_with_what_its_handler_returns(app, data):
    async with app.peer.session() as websocket:
        await app.enter(websocket)
        await websocket.send("421" + json.dumps(["echo", data]))
        told = await receive(websocket)
        assert told.startswith("431")
        assert json.loads(told[3:]) == ([] if data is None else [data])


@pytest.mark.parametrize("error", [None, RuntimeError("broken")], ids=["done", "failed"])
async def test_an_event_is_acknowledged_when_a_future_is_done(app, error):
    future = asyncio.get_running_loop().create_future()
    app.server.on("wait", lambda sid: future)
    async with app.peer.session() as websocket:
        await app.enter(websocket)
        await websocket.send('421["wait"]')
        await websocket.send('422["echo",1]')
        assert await receive(websocket) == "432[1]"
        if error:
            future.set_exception(error)
        else:
            future.set_result({"done": True})
        (told,) = json.loads((await receive(websocket)).removeprefix("431"))
        assert told.get("code") == "chat.failed" if error else told == {"done": True}


async def test_an_answer_that_cannot_be_sent_is_one_that_says_so(app, caplog):
    async def odd(sid):
        return object()

    app.server.on("odd", odd)
    async with app.peer.session() as websocket:
        await app.enter(websocket)
        await websocket.send('421["odd"]')
        (told,) = json.loads((await receive(websocket)).removeprefix("431"))
        assert told["retry"] is False
        assert told["code"] == "chat.failed"
        await websocket.send('422["echo",1]')
        assert await receive(websocket) == "432[1]"
    assert "object" in caplog.text


async def test_rooms(app):
    server = app.server
    async with app.peer.session() as first, app.peer.session() as second:
        a, b = await app.enter(first), await app.enter(second)
        server.enter(a, "r")
        server.enter(a, "s")
        server.enter(b, "s")
        assert set(server.members("r")) == {a}
        assert set(server.members("s")) == {a, b}
        assert list(server.members("none")) == []
        await server.emit("r", 1, room="r")
        server.leave(a, "s")
        await server.emit("s", 2, room="s")
        await server.emit("a", 3, room=a)
        await server.emit("all")
        assert [await receive(first) for _ in range(3)] == ['42["r",1]', '42["a",3]', '42["all"]']
        assert [await receive(second) for _ in range(2)] == ['42["s",2]', '42["all"]']
        await server.disconnect(b)
        assert list(server.members("s")) == []


async def test_what_is_sent_from_connect_arrives(app):
    original = app.connect

    async def connect(sid, environ, auth=None):
        await original(sid, environ, auth)
        app.server.enter(sid, "r")
        await app.server.emit("hello", room="r")

    app.server.on("connect", connect)
    async with app.peer.session() as websocket:
        await websocket.send("40")
        packets = [await receive(websocket), await receive(websocket)]
        assert '42["hello"]' in packets


async def test_the_same_by_long_polling_and_over_an_upgrade(app):
    sid = await app.peer.open()
    payload = SEPARATOR.join(["40", '421["echo","a"]'])
    assert (await app.peer.post(sid, payload)).status == 200
    packets = []
    while len(packets) < 2:
        packets += (await app.peer.get(sid)).text.split(SEPARATOR)
    assert packets[1] == '431["a"]'
    async with app.peer.websocket(sid=sid) as websocket:
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        assert await app.peer.get(sid) == (200, "6")
        await websocket.send("5")
        await websocket.send('422["echo","b"]')
        while (packet := await receive(websocket)) == "6":
            pass
        assert packet == '432["b"]'


async def test_a_client_that_closes_its_session_does_not_wait_for_its_poll(app):
    sid = await app.peer.open()
    assert (await app.peer.post(sid, "40")).status == 200
    assert (await app.peer.get(sid)).text.startswith("40{")
    poll = asyncio.create_task(app.peer.get(sid))
    await asyncio.wait([poll], timeout=0.1)  # most often it waits by then; it may come later, too
    assert not poll.done()
    await app.peer.post(sid, SEPARATOR.join(["41", "1"]))
    async with asyncio.timeout(10):
        assert (await poll).status in (200, 400)


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        "x",
        "4",
        "40",
        "40/other,",
        '42["nobody"]',
        '42["connect"]',
        '42["disconnect"]',
        "42{}",
        "431[]",
        '451-["echo",{"_placeholder":true,"num":0}]',
        b"bytes",
        "2",
    ],
)
async def test_packets_that_the_chat_has_no_use_for_end_the_connection(app, packet):
    async with app.peer.session() as websocket:
        sid = await app.enter(websocket)
        await websocket.send(packet)
        assert await ended(websocket) == []
        assert await app.next() == ("disconnect", sid)


async def test_a_request_without_the_cookie_of_the_session_is_refused(app):
    cookie = {"Cookie": f"nochat_session_{app.peer.url.rsplit(':', 1)[1]}=mine"}
    sid = json.loads((await app.peer.request("GET", headers=cookie)).text[1:])["sid"]
    refused = await app.peer.get(sid)
    assert refused.status == 400
    assert json.loads(refused.text)["code"] == "socket.stolen"
    assert (await app.peer.request("POST", "40", cookie, sid=sid)).status == 200


async def test_pages_of_others_and_scripts_are_refused(app):
    evil = await app.peer.request("GET", headers={"Origin": "http://evil.example"})
    assert evil.status == 400
    script = await app.peer.get(j="0")
    assert script.status == 400
    assert json.loads(script.text)["code"].startswith("socket.")


async def test_an_address_has_a_bounded_number_of_sockets(start):
    app = await start(address_connections=2)
    async with app.peer.session() as first, app.peer.session():
        refused = await app.peer.get()
        assert refused.status == 429
        assert json.loads(refused.text)["code"] == "socket.address"
        await app.enter(first)
        await first.close()
        await app.next()
        async with app.peer.session():
            pass


async def test_a_user_pays_for_all_of_their_sockets(start):
    app = await start(user_rate=1.0)  # 5 packets a second, 25 at once
    async with app.peer.session() as first, app.peer.session() as second:
        for websocket in first, second:
            app.server.charge(await app.enter(websocket), "ana")
        for number in range(15):
            await first.send(f'42{number}["echo"]')
            assert await receive(first) == f"43{number}[]"
        for number in range(15):
            await second.send(f'42{number}["echo"]')
        assert len(await ended(second)) < 15


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_packet_that_is_too_long_ends_the_connection(start, transport):
    app = await start(max_frame=1000)
    if transport == "polling":
        sid = await app.peer.open()
        assert (await app.peer.post(sid, "4" * 1001)).status in (400, 413)
        assert (await app.peer.get(sid)).status == 400
    else:
        async with app.peer.session() as websocket:
            await app.enter(websocket)
            await websocket.send("4" * 1001)
            assert await ended(websocket) == []


async def test_a_client_that_does_not_read_is_dropped(start, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BACKLOG", 50_000)
    app = await start()
    sid = await app.peer.open()
    await app.peer.post(sid, "40")
    _, socket, _ = await app.next()
    while app.seen.empty():
        await app.server.emit("news", "x" * 10_000)
        await asyncio.sleep(0)  # the server's turn
    assert await app.next() == ("disconnect", socket)
    assert (await app.peer.get(sid)).status == 400


async def test_no_more_of_a_clients_events_are_handled_at_once_than_the_bound(start, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_AT_ONCE", 3)
    app = await start()
    at_once, most, done = 0, 0, asyncio.Event()

    async def work(sid, last):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(5):
            await asyncio.sleep(0)  # lets the others run
        at_once -= 1
        if last:
            done.set()

    app.server.on("work", work)
    sid = await app.peer.open()
    await app.peer.post(sid, "40")
    await app.next()
    events = [f'42["work",{json.dumps(number == 29)}]' for number in range(30)]
    await app.peer.post(sid, SEPARATOR.join(events))
    async with asyncio.timeout(10):
        await done.wait()
    assert most == 3
