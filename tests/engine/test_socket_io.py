"""Socket.IO 5: the cases of the protocol's own test suite, and what an application is promised."""

import asyncio
import json
import math
import shutil
import sys
from pathlib import Path

import pytest
import socketio

from nochat.engine import ConnectionRefusedError, Server
from tests.engine.peers import SEPARATOR, ended, receive

TWO = '[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


def suite(guard, **options):
    """The server that the suite expects."""
    server = Server(guard, **options)
    for namespace in "/", "/custom":

        def on(event, namespace=namespace):
            return server.on(event, namespace=namespace)

        @on("connect")
        async def connect(sid, environ, auth, namespace=namespace):
            await server.emit("auth", auth or {}, to=sid, namespace=namespace)

        @on("message")
        async def message(sid, *data, namespace=namespace):
            await server.emit("message-back", data, to=sid, namespace=namespace)

        @on("message-with-ack")
        def message_with_ack(sid, *data):
            return data

    return server


@pytest.fixture
async def peer(serve):
    """A client of that server."""
    return await serve(suite)


@pytest.fixture
async def app(serve):
    """A server without handlers, and a client of it."""
    peer = await serve(Server)
    return peer.server, peer


async def entered(websocket, namespace="/", auth=""):
    """The packets that answer a CONNECT."""
    at = "" if namespace == "/" else f"{namespace},"
    await websocket.send(f"40{at}{auth}")
    return [await receive(websocket), await receive(websocket)]


async def answer(websocket, packet):
    """What comes back for a packet."""
    await websocket.send(packet)
    return await receive(websocket)


# ---- connect ------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["/", "/custom"])
@pytest.mark.parametrize("auth", ["", '{"token":"123"}'])
async def test_a_connect_is_answered_before_what_its_handler_sends(peer, namespace, auth):
    async with peer.session() as websocket:
        connect, told = await entered(websocket, namespace, auth)
    at = "" if namespace == "/" else f"{namespace},"
    assert connect.startswith(f"40{at}")
    handshake = json.loads(connect.removeprefix(f"40{at}"))
    assert list(handshake) == ["sid"]
    assert isinstance(handshake["sid"], str)
    assert told == f'42{at}["auth",{auth or "{}"}]'


async def test_a_namespace_without_a_comma_and_with_a_query(peer):
    async with peer.session() as websocket:
        assert (await entered(websocket, "/"))[1] == '42["auth",{}]'
        assert (await answer(websocket, "40/custom")).startswith("40/custom,{")
        assert await receive(websocket) == '42/custom,["auth",{}]'
        await websocket.send("41/custom")
        assert (await answer(websocket, "40/custom?a=b,")).startswith("40/custom,{")


async def test_an_unknown_namespace(peer):
    async with peer.session() as websocket:
        told = await answer(websocket, "40/random")
        assert told == '44/random,{"message":"Invalid namespace"}'
        assert (await entered(websocket))[1] == '42["auth",{}]'


@pytest.mark.parametrize("packet", ["4abc", "4", "40[]", '40"a"', "49", '42["message"]', "41"])
async def test_an_invalid_handshake_closes_the_session(peer, packet):
    async with peer.session() as websocket:
        await websocket.send(packet)
        assert await ended(websocket) == []


async def test_a_client_that_does_not_connect_is_closed(serve):
    peer = await serve(suite, connect_timeout=0.2)
    async with peer.session() as websocket:
        assert await ended(websocket) == []


async def test_a_second_connect_closes_the_session(peer):
    async with peer.session() as websocket:
        await entered(websocket)
        await websocket.send("40")
        assert await ended(websocket) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError("not you", {"code": 7}), '{"message":"not you","data":{"code":7}}'),
        (ConnectionRefusedError("not you"), '{"message":"not you"}'),
        (ConnectionRefusedError(), '{"message":"Connection refused"}'),
        (RuntimeError(), '{"message":"Connection refused"}'),
        (None, '{"message":"Connection refused"}'),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
async def test_a_handler_refuses_a_connection(app, caplog, error, told, kind):
    server, peer = app

    def refuse(sid, environ):
        server.send_event("secret", room=sid)
        if error:
            raise error
        return False

    async def refuse_later(sid, environ):
        return refuse(sid, environ)

    server.on("connect", refuse if kind == "plain" else refuse_later)
    async with peer.session() as websocket:
        assert await answer(websocket, "40") == f"44{told}"
        server.on("connect", lambda sid: None)
        assert (await answer(websocket, "40")).startswith("40{")
    assert ("a handler of connect failed" in caplog.text) == isinstance(error, RuntimeError)


async def test_a_handler_sees_the_request_and_only_what_it_asks_for(app):
    server, peer = app
    seen = []
    server.on("connect", lambda *given: seen.append(given[1:]), namespace="/a")
    server.on("connect", lambda sid: seen.append(sid), namespace="/b")
    async with peer.session() as websocket:
        await answer(websocket, '40/a,{"x":1}')
        told = await answer(websocket, "40/b,")
    assert seen[0][0]["asgi.scope"]["type"] == "websocket"
    assert seen[0][1] == {"x": 1}
    assert seen[1] == json.loads(told.removeprefix("40/b,"))["sid"]


async def test_events_that_arrive_while_the_handler_of_connect_runs_wait_for_it(app):
    server, peer = app
    may, heard = asyncio.Event(), []

    @server.on("connect")
    async def connect(sid, environ):
        heard.append("connect")
        await may.wait()
        await server.emit("welcome", to=sid)
        heard.append("connected")

    @server.on("say")
    def say(sid, text):
        heard.append(text)
        return text

    sid = await peer.open()
    payload = SEPARATOR.join(["40", '421["say","a"]', '422["say","b"]'])
    sending = asyncio.create_task(peer.post(sid, payload))
    await peer.guard.until("POST")
    may.set()
    assert (await sending).status == 200
    packets = (await peer.get(sid)).text.split(SEPARATOR)
    while len(packets) < 4:
        packets += (await peer.get(sid)).text.split(SEPARATOR)
    assert packets[0].startswith("40{")
    assert packets[1:] == ['42["welcome"]', '431["a"]', '432["b"]']
    assert heard == ["connect", "connected", "a", "b"]

    heard.clear()
    may.clear()
    async with peer.raw() as raw:  # frames that one segment brings are read at once
        raw.send(1, b"40")
        raw.send(1, b'421["say","c"]')
        await raw.frame()
        may.set()
        assert (await raw.frame())[1].startswith(b"40{")
        assert (await raw.frame())[1] == b'42["welcome"]'
        assert (await raw.frame())[1] == b'431["c"]'


async def test_a_broadcast_to_a_socket_that_is_not_connected_yet_waits_for_its_connect(app):
    server, peer = app
    begun, may = asyncio.Event(), asyncio.Event()

    @server.on("connect")
    async def connect(sid):
        server.namespaces["/"].enter(sid, "r")
        begun.set()
        await may.wait()

    async with peer.session() as websocket:
        await websocket.send("40")
        await begun.wait()
        await server.emit("a")
        await server.emit("b", room="r")
        may.set()
        assert (await receive(websocket)).startswith("40{")
        assert [await receive(websocket), await receive(websocket)] == ['42["a"]', '42["b"]']
        await server.emit("c", room="r")
        assert await receive(websocket) == '42["c"]'


async def test_a_client_that_leaves_while_the_handler_of_connect_runs_is_not_let_in(app):
    server, peer = app
    may, ends = asyncio.Event(), []
    server.on("disconnect", ends.append)

    @server.on("connect")
    async def connect(sid):
        await may.wait()

    async with peer.raw() as raw:
        await raw.frame()
        for packet in b"40", b"41", b"40":
            raw.send(1, packet)
        may.set()
        told = json.loads((await raw.frame())[1][2:])
        assert list(server.namespaces["/"].sockets) == [told["sid"]]
        assert ends == []


# ---- disconnect ---------------------------------------------------------------------------------


async def test_a_client_disconnects_and_its_connection_goes_on(serve):
    peer = await serve(suite, ping_interval=0.3, ping_timeout=0.2)
    async with peer.session() as websocket:
        await entered(websocket)
        assert await answer(websocket, "41") == "2"
        await websocket.send("3")
        assert (await entered(websocket))[1] == '42["auth",{}]'


async def test_a_client_that_left_a_namespace_is_in_the_others(peer):
    async with peer.session() as websocket:
        await entered(websocket)
        await entered(websocket, "/custom")
        await websocket.send("41/custom")
        back = await answer(websocket, '42["message","message to main namespace"]')
        assert back == '42["message-back","message to main namespace"]'


async def test_an_event_for_a_namespace_that_was_left_closes_the_session(peer):
    async with peer.session() as websocket:
        await entered(websocket)
        await websocket.send("41")
        await websocket.send('42["message"]')
        assert await ended(websocket) == []


async def test_a_client_that_disconnected_and_keeps_its_connection_is_closed(serve):
    peer = await serve(suite, connect_timeout=0.2)
    async with peer.session() as websocket:
        await entered(websocket)
        await websocket.send("41")
        assert await ended(websocket) == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("41", "client disconnect"),
        ("1", "transport close"),
        ("cut off", "transport close"),
        ("broken", "transport error"),
        ("silent", "ping timeout"),
        ("server", "server disconnect"),
        ("shutdown", "server shutting down"),
    ],
)
async def test_a_handler_of_disconnect_is_told_why(serve, how, reason):
    peer = await serve(
        Server, **({"ping_interval": 0.1} if how == "silent" else {}), ping_timeout=0.1
    )
    server, told = peer.server, asyncio.get_running_loop().create_future()

    @server.on("disconnect")
    async def disconnect(sid, reason):
        told.set_result((sid, reason))

    async with peer.session() as websocket:
        sid = json.loads((await answer(websocket, "40"))[2:])["sid"]
        if how == "cut off":
            websocket.transport.abort()
        elif how == "server":
            await server.disconnect(sid)
            assert await receive(websocket) == "41"
        elif how == "shutdown":
            await server.shutdown()
        elif how != "silent":
            await websocket.send(how)
        assert await asyncio.wait_for(told, 10) == (sid, reason)
    assert not server.namespaces["/"].rooms


async def test_handlers_of_disconnect_that_want_no_reason_and_ones_that_fail(app, caplog):
    server, peer = app
    ends = []

    def fail(sid):
        ends.append(sid)
        raise RuntimeError("no")

    server.on("disconnect", fail)
    for times in 1, 2:
        async with peer.connected():
            pass
        await peer.guard.until("left", times)
    assert len(set(ends)) == 2
    assert "a handler failed" in caplog.text


# ---- events -------------------------------------------------------------------------------------


async def test_events_and_acknowledgements(peer):
    async with peer.session() as websocket:
        await entered(websocket)
        back = await answer(websocket, '42["message",1,"2",{"3":[true]}]')
        assert back == '42["message-back",1,"2",{"3":[true]}]'
        back = await answer(websocket, '42456["message-with-ack",1,"2",{"3":[false]}]')
        assert back == '43456[1,"2",{"3":[false]}]'
        assert await answer(websocket, '420["message-with-ack"]') == "430[]"


async def test_attachments_there_and_back(peer):
    async with peer.session() as websocket:
        await entered(websocket)
        for sent, back in (
            (f'452-["message",{TWO[1:]}', f'452-["message-back",{TWO[1:]}'),
            (f'452-789["message-with-ack",{TWO[1:]}', f"462-789{TWO}"),
        ):
            for packet in sent, bytes([1, 2, 3]), bytes([4, 5, 6]):
                await websocket.send(packet)
            assert await receive(websocket) == back
            assert await receive(websocket) == bytes([1, 2, 3])
            assert await receive(websocket) == bytes([4, 5, 6])


async def test_attachments_there_and_back_by_polling(peer):
    sid = await peer.open()
    one = '{"_placeholder":true,"num":0}'
    payload = SEPARATOR.join(["40/custom,", f'451-/custom,7["message-with-ack",{one}]', "bAQID"])
    assert (await peer.post(sid, payload)).status == 200
    packets = []
    while len(packets) < 4:
        packets += (await peer.get(sid)).text.split(SEPARATOR)
    assert packets[1:] == ['42/custom,["auth",{}]', f"461-/custom,7[{one}]", "bAQID"]


@pytest.mark.parametrize(
    "packets",
    [
        ["4abc"],
        ["42{}"],
        ["42[]"],
        ["42"],
        ["42[true]"],
        ["42[null]"],
        ["42[{}]"],
        ['42["message",'],
        ['42abc["message-with-ack",1,"2",{"3":[false]}]'],
        ['42/none,["message"]'],
        ['421234567890123456["message"]'],
        ["43[1]"],
        ["431{}"],
        ['44{"message":"no"}'],
        ['45["message"]'],
        ['450-["message"]'],
        ['45101-["message"]'],
        ['451-["message",{"_placeholder":true,"num":0}]', "42[1]"],
        ['451-["message",{"_placeholder":true,"num":1}]', b"a"],
        ['451-["message",{"_placeholder":true,"num":-1}]', b"a"],
        ['451-["message",{"_placeholder":true}]', b"a"],
        [b"a"],
        ["42[" + "[" * 100_000],
        ["451-[0," + "[" * 1000 + "]" * 1000 + "]", b"a"],
    ],
    ids=lambda packets: str(packets[0])[:30],
)
async def test_an_invalid_packet_closes_the_connection(peer, packets):
    async with peer.session() as websocket:
        await entered(websocket)
        for packet in packets:
            await websocket.send(packet)
        assert await ended(websocket) == []


async def test_events_without_a_handler_are_ignored_and_reserved_ones_reach_none(app):
    server, peer = app
    called = []
    for event in "connect", "disconnect":
        server.on(event, lambda *given: called.append(given) and None)
    server.on("mark", lambda sid: "here")
    async with peer.connected() as websocket:
        called.clear()
        for event in "nobody", "connect", "disconnect", "connect_error":
            await websocket.send(f'421["{event}"]')
        assert await answer(websocket, '422["mark"]') == '432["here"]'
        assert called == []


async def test_a_handler_for_all_other_events(app):
    server, peer = app
    server.on("say", lambda sid, *data: ["say", *data])
    server.on("*", lambda event, sid, *data: [event, isinstance(sid, str), *data])
    async with peer.connected() as websocket:
        assert await answer(websocket, '421["say",1]') == '431[["say",1]]'
        assert await answer(websocket, '422["other",1,2]') == '432[["other",true,1,2]]'
        assert await answer(websocket, "423[5]") == "433[[5,true]]"


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (None, "[]"),
        ((), "[]"),
        ((1, "a"), '[1,"a"]'),
        ([1, "a"], '[[1,"a"]]'),
        ({"a": {1: None}}, '[{"a":{"1":null}}]'),
        (2**70, f"[{2**70}]"),
        ("half an emoji: \ud83d", '["half an emoji: \\ud83d"]'),
        (math.nan, "[null]"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["plain", "coroutine", "future"])
async def test_what_a_handler_returns_is_the_acknowledgement(app, result, sent, kind):
    server, peer = app

    def plain(sid):
        return result

    async def coroutine(sid):
        return result

    def future(sid):
        return asyncio.ensure_future(coroutine(sid))

    server.on("ask", {"plain": plain, "coroutine": coroutine, "future": future}[kind])
    async with peer.connected() as websocket:
        assert await answer(websocket, '421["ask"]') == f"431{sent}"


async def test_attachments_beside_what_orjson_does_not_write_are_sent_once(app):
    server, peer = app
    server.on("ask", lambda sid: [b"a", {1: bytearray(b"b")}])
    async with peer.connected() as websocket:
        zero, one = ({"_placeholder": True, "num": number} for number in (0, 1))
        head = await answer(websocket, '421["ask"]')
        assert head.startswith("462-1")
        assert json.loads(head[5:]) == [[zero, {"1": one}]]
        assert [await receive(websocket), await receive(websocket)] == [b"a", b"b"]


@pytest.mark.parametrize("told", [None, {"error": "no"}])
async def test_a_handler_that_fails_costs_its_own_answer_alone(app, caplog, told):
    server, peer = app
    peer.guard.failed = lambda error: told

    @server.on("fail")
    async def fail(sid):
        raise RuntimeError("it is broken")

    @server.on("odd")
    def odd(sid):
        return object()

    server.on("ask", lambda sid: "fine")
    async with peer.connected() as websocket:
        for event in "fail", "odd":
            await websocket.send(f'42["{event}"]')
            if told:
                assert await answer(websocket, f'421["{event}"]') == '431[{"error":"no"}]'
        assert await answer(websocket, '422["ask"]') == '432["fine"]'
        assert await answer(websocket, '423["ask"]') == '433["fine"]'
    assert "it is broken" in caplog.text


async def test_async_handlers_begin_in_order_and_run_side_by_side(app):
    server, peer = app
    begun, all_here = [], asyncio.Event()

    @server.on("wait")
    async def wait(sid, number):
        begun.append(number)
        if len(begun) == 10:
            all_here.set()
        await all_here.wait()
        return number

    async with peer.connected() as websocket:
        for number in range(10):
            await websocket.send(f'42{number}["wait",{number}]')
        answers = {await receive(websocket) for _ in range(10)}
    assert answers == {f"43{number}[{number}]" for number in range(10)}
    assert begun == list(range(10))


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_more_events_than_may_be_handled_at_once_are_not_read(serve, transport):
    peer = await serve(Server, most_at_once=3)
    at_once, most, done = 0, 0, 0

    @peer.server.on("work")
    async def work(sid):
        nonlocal at_once, most, done
        at_once += 1
        most = max(most, at_once)
        for _ in range(5):
            await asyncio.sleep(0)  # lets the others run
        at_once -= 1
        done += 1
        return done

    if transport == "polling":
        sid = await peer.open()
        events = [f'42{number}["work"]' for number in range(30)]
        assert (await peer.post(sid, SEPARATOR.join(["40", *events]))).status == 200
        assert most == 3
    else:
        async with peer.connected() as websocket:
            for number in range(30):
                assert await answer(websocket, f'42{number}["work"]') == f"43{number}[{number + 1}]"


# ---- sending ------------------------------------------------------------------------------------


@pytest.fixture
async def three(app):
    """Three clients: their websockets by the ids of their sockets, and the server."""
    server, peer = app
    async with peer.session() as first, peer.session() as second, peer.session() as third:
        ids = [json.loads((await answer(each, "40"))[2:])["sid"] for each in (first, second, third)]
        yield server, dict(zip(ids, (first, second, third), strict=True))


async def heard(server, clients):
    """What each client heard, until a mark that all get."""
    await server.emit("mark")
    got = []
    for websocket in clients.values():
        packets = [await receive(websocket)]
        while packets[-1] != '42["mark"]':
            packets.append(await receive(websocket))
        got.append([json.loads(packet[2:])[0] for packet in packets[:-1]])
    return got


async def test_rooms(three):
    server, clients = three
    a, b, c = clients
    await server.enter_room(a, "r")
    await server.enter_room(b, "r")
    await server.enter_room(b, "s")
    await server.emit("all")
    await server.emit("r", room="r")
    await server.emit("s", to="s")
    await server.emit("one", to=c)
    await server.emit("nobody", to="none")
    assert await heard(server, clients) == [["all", "r"], ["all", "r", "s"], ["all", "one"]]
    assert server.rooms(a) == [a, "r"]
    assert sorted(server.rooms(b)) == sorted([b, "r", "s"])
    await server.emit("not b", room="r", skip_sid=b)
    await server.emit("only b", skip_sid=[a, c])
    await server.leave_room(a, "r")
    await server.emit("r", room="r")
    assert await heard(server, clients) == [["not b"], ["only b", "r"], []]
    await server.close_room("r")
    await server.emit("r", room="r")
    await server.leave_room(c, "never")
    await server.enter_room("nobody", "r")
    assert await heard(server, clients) == [[], [], []]
    assert server.rooms(b) == [b, "s"]


async def test_who_is_gone_is_in_no_room(three):
    server, clients = three
    a, b, _ = clients
    gone = asyncio.Event()
    server.on("disconnect", lambda sid: gone.set())
    for sid in a, b:
        await server.enter_room(sid, "r")
    await clients.pop(a).close()
    await gone.wait()
    await server.emit("r", room="r")
    await server.emit("gone", to=a)
    assert await heard(server, clients) == [["r"], []]
    await server.disconnect(b)
    assert "r" not in server.namespaces["/"].rooms
    await server.disconnect(b)


async def test_each_event_has_its_arguments(three):
    server, clients = three
    sid, websocket = next(iter(clients.items()))
    for data, sent in ((None, ""), ((), ""), ((1, 2), ",1,2"), ([1, 2], ",[1,2]"), (0, ",0")):
        await server.emit("e", data, to=sid)
        assert await receive(websocket) == f'42["e"{sent}]'
    await server.emit("e", {"a": b"\0"}, to=sid)
    assert await receive(websocket) == '451-["e",{"a":{"_placeholder":true,"num":0}}]'
    assert await receive(websocket) == b"\0"
    with pytest.raises(TypeError):
        await server.emit("e", object(), to=sid)


async def test_callbacks(three):
    server, clients = three
    sid, websocket = next(iter(clients.items()))
    answers = asyncio.Queue()
    await server.emit("a", 1, to=sid, callback=lambda *data: answers.put_nowait(("a", *data)))
    await server.emit("b", to=sid, callback=lambda *data: answers.put_nowait(("b", *data)))
    assert await receive(websocket) == '421["a",1]'
    assert await receive(websocket) == '422["b"]'
    await websocket.send('432["x",{"y":1}]')
    await websocket.send("431[]")
    await websocket.send("431[]")  # once is enough
    assert await answers.get() == ("b", "x", {"y": 1})
    assert await answers.get() == ("a",)
    await websocket.send('461-9[{"_placeholder":true,"num":0}]')  # of nothing that was sent
    await websocket.send(b"a")
    with pytest.raises(ValueError, match="one socket"):
        await server.emit("a", callback=print)
    assert (await heard(server, clients))[0] == []
    assert answers.empty()


async def test_a_callback_gets_attachments(three):
    server, clients = three
    sid, websocket = next(iter(clients.items()))
    call = asyncio.create_task(server.call("a", to=sid))
    assert await receive(websocket) == '421["a"]'
    await websocket.send(f"462-1{TWO}")
    await websocket.send(b"a")
    await websocket.send(b"b")
    assert await call == (b"a", b"b")


@pytest.mark.parametrize(
    ("sent", "got"), [("[]", None), ("[1]", 1), ("[1,2]", (1, 2)), ("[[]]", [])]
)
async def test_call(three, sent, got):
    server, clients = three
    sid, websocket = next(iter(clients.items()))
    call = asyncio.create_task(server.call("a", "data", to=sid))
    assert await receive(websocket) == '421["a","data"]'
    await websocket.send(f"431{sent}")
    assert await call == got


async def test_a_call_that_is_not_answered(three):
    server, clients = three
    sid, websocket = next(iter(clients.items()))
    with pytest.raises(TimeoutError):
        await server.call("a", to=sid, timeout=0)
    assert await answer(websocket, "431[]") == '421["a"]'  # too late is no error
    assert (await heard(server, clients))[0] == []


async def test_a_handler_calls_its_own_client(app):
    server, peer = app

    @server.on("ask")
    async def ask(sid):
        return await server.call("name", to=sid)

    async with peer.connected() as websocket:
        assert await answer(websocket, '427["ask"]') == '421["name"]'
        assert await answer(websocket, '431["ana"]') == '437["ana"]'


async def test_what_is_saved_for_a_socket(three):
    server, clients = three
    a, b, _ = clients
    assert await server.get_session(a) == {}
    await server.save_session(a, {"user": "ana"})
    async with server.session(a) as saved:
        saved["n"] = 1
    assert await server.get_session(a) == {"user": "ana", "n": 1}
    assert await server.get_session(b) == {}


async def test_events_of_one_turn_reach_a_client_in_order(three):
    server, clients = three
    a, _, c = clients
    await server.enter_room(a, "r")
    await server.enter_room(c, "r")
    for number in range(300):
        await server.emit(f"{number}", "x" * 500, **({"room": "r"} if number % 3 else {}))
    first, second, third = await heard(server, clients)
    assert first == third == [f"{number}" for number in range(300)]
    assert second == [f"{number}" for number in range(0, 300, 3)]


# ---- slow clients, many clients, the end --------------------------------------------------------


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_client_that_does_not_read_is_dropped_and_others_are_served(serve, transport):
    peer = await serve(Server, most_backlog=100_000)
    async with peer.connected() as reader:
        if transport == "polling":
            sid = await peer.open()
            await peer.post(sid, "40")
            await peer.get(sid)
            await send_until_slow(peer, reader)
            assert (await peer.get(sid)).status == 400
        else:
            async with peer.raw() as raw:
                raw.send(1, b"40")
                await raw.frame()
                raw.writer.transport.pause_reading()
                await send_until_slow(peer, reader)
        assert len(peer.server.sessions) == 1


async def send_until_slow(peer, reader):
    while "slow" not in peer.guard.seen:
        await peer.server.emit("news", "x" * 10_000)
        assert len(await receive(reader)) > 10_000
    assert "left" in peer.guard.seen


async def test_a_client_that_stalls_is_dropped_in_time(serve):
    peer = await serve(Server, stall_timeout=0.2, most_backlog=2**30)
    async with peer.raw() as raw:
        raw.send(1, b"40")
        await raw.frame()
        assert (await raw.frame())[1].startswith(b"40")
        raw.writer.transport.pause_reading()
        for _ in range(100):
            await peer.server.emit("news", "x" * 500_000)
        await peer.guard.until("it did not read")
    assert peer.server.sessions == {}


async def test_each_of_many_clients_is_pinged_in_its_turn(serve):
    peer = await serve(Server, ping_interval=0.2, ping_timeout=0.4)
    quiet, alive = [await peer.open() for _ in range(5)], []

    async def live():
        alive.append(sid := await peer.open())
        for _ in range(4):
            assert await peer.get(sid) == (200, "2")
            assert await peer.post(sid, "3") == (200, "ok")

    await asyncio.gather(*(live() for _ in range(5)))
    assert [(await peer.get(sid)).status for sid in quiet] == [400] * 5
    assert set(peer.server.sessions) == set(alive)


async def test_at_the_servers_end_handlers_end_and_clients_are_closed(app):
    server, peer = app
    begun, ends = asyncio.Event(), []

    @server.on("work")
    async def work(sid):
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ends.append("work")

    @server.on("disconnect")
    async def disconnect(sid, reason):
        ends.append(reason)

    async with peer.connected() as websocket:
        await websocket.send('42["work"]')
        await begun.wait()
        await server.emit("bye")
        await server.shutdown()
        assert ends == ["work", "server shutting down"]
        assert await ended(websocket) == ['42["bye"]']
    assert server.sessions == {}


# ---- with the clients of others -----------------------------------------------------------------


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
async def test_python_socketios_client(peer, transports):
    client = socketio.AsyncClient(reconnection=False)
    heard = asyncio.Queue()
    for event in "auth", "message-back":
        client.on(event, lambda *data, event=event: heard.put_nowait((event, *data)))
        client.on(event, lambda *data: heard.put_nowait(data), namespace="/custom")
    await client.connect(
        f"{peer.url}", auth={"a": 1}, namespaces=["/", "/custom"], transports=transports
    )
    assert sorted([len(await heard.get()), len(await heard.get())]) == [1, 2]
    assert client.transport() == transports[-1]
    await client.emit("message", ("á", b"\1", {"b": [b"\2"]}))
    assert await heard.get() == ("message-back", "á", b"\1", {"b": [b"\2"]})
    assert await client.call("message-with-ack", ("á", b"\1")) == ("á", b"\1")
    await client.disconnect()
    await peer.guard.until("left")


@pytest.mark.parametrize("transports", ["polling", "websocket", "polling,websocket"])
async def test_the_official_client(peer, transports):
    program = shutil.which("node", path=Path(sys.executable).parent) or "node"
    script = Path(__file__).parent / "client.mjs"
    node = await asyncio.create_subprocess_exec(
        program, script, peer.url, transports, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        said, _ = await node.communicate()
    assert said.decode() == "ok\n"
