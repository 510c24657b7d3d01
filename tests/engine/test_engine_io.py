"""Engine.IO 4: the cases of the protocol's own test suite, and what else its document says."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from nochat.engine import Guard
from tests.engine.peers import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    SEPARATOR,
    TEXT,
    Echo,
    ended,
    receive,
)

QUICK = {"ping_interval": 0.3, "ping_timeout": 0.2}  # those of the suite


async def refusal(opening):
    """How an attempt to open a websocket was refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["code"]


# ---- handshake ----------------------------------------------------------------------------------


async def test_a_handshake_by_polling_and_by_websocket(serve):
    peer = await serve(**QUICK)
    answer = await peer.get()
    assert answer.status == 200
    async with peer.websocket() as websocket:
        told = await receive(websocket)
    for packet, upgrades in (answer.text, ["websocket"]), (told, []):
        handshake = json.loads(packet[1:])
        assert packet[0] == "0"
        assert isinstance(handshake.pop("sid"), str)
        assert handshake == {
            "upgrades": upgrades,
            "pingInterval": 300,
            "pingTimeout": 200,
            "maxPayload": 1_000_000,
        }


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"EIO": None}, 5),
        ({"EIO": "abc"}, 5),
        ({"EIO": "3"}, 5),
        ({"transport": None}, 0),
        ({"transport": "abc"}, 0),
        ({"sid": "unknown"}, 1),
        ({"j": "0"}, 3),
    ],
)
async def test_a_handshake_with_a_wrong_address(peer, wrong, code):
    answer = await peer.get(**wrong)
    assert (answer.status, json.loads(answer.text)["code"]) == (400, code)
    assert await refusal(peer.websocket(**wrong)) == (400, code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_handshake_with_a_wrong_method(peer, method):
    answer = await peer.request(method)
    assert (answer.status, json.loads(answer.text)["code"]) == (400, 2)


async def test_a_wrong_method_for_a_session_leaves_it_alone(peer):
    sid = await peer.open()
    assert (await peer.request("PUT", "4hello", sid=sid)).status == 400
    assert await peer.post(sid, "4hello") == (200, "ok")


async def test_a_transport_that_the_request_is_not(peer):
    assert (await peer.get(transport="websocket")).status == 400
    assert await refusal(peer.websocket(transport="polling")) == (400, 0)


async def test_pages_of_another_origin_are_not_let_in(peer):
    theirs, ours = {"Origin": "http://evil.example"}, {"Origin": peer.url}
    assert (await peer.request("GET", headers=theirs)).status == 400
    assert (await peer.request("GET", headers=ours)).status == 200


async def test_a_page_of_an_allowed_origin_is_told_so(serve):
    peer = await serve()
    peer.server.guard.allows_origin = lambda origin, scope: True
    asked = {"Origin": "http://a.example", "Access-Control-Request-Headers": "x-mine"}
    url = f"{peer.url}/engine.io/?{peer.address()}"
    async with peer.http.options(url, headers=asked) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "http://a.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Access-Control-Allow-Headers"] == "x-mine"


async def test_firefox_opens_a_websocket(peer):
    async with peer.raw(connection="keep-alive, Upgrade") as raw:
        assert raw.head.startswith(b"HTTP/1.1 101 ")
        assert (await raw.frame())[1].startswith(b"0{")


async def test_a_server_that_hands_no_websocket_over_says_so(peer):
    peer.server.guard = Guard()
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    query = peer.address("websocket").encode()
    await peer.server({"type": "websocket", "headers": [], "query_string": query}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


# ---- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4á€😀\x1e4"]
)
async def test_packets_there_and_back_by_polling(peer, payload):
    sid = await peer.open()
    assert await peer.post(sid, payload) == (200, "ok")
    assert await peer.get(sid) == (200, payload)


async def test_more_than_16_packets_in_one_request(peer):
    sid = await peer.open()
    payload = SEPARATOR.join(f"4{number}" for number in range(200))
    assert await peer.post(sid, payload) == (200, "ok")
    assert await peer.get(sid) == (200, payload)


async def test_a_poll_waits_for_a_packet(peer):
    sid = await peer.open()
    async with peer.polling(sid) as poll:
        assert not poll.done()
        await peer.post(sid, "4hello")
        assert await poll == (200, "4hello")


async def test_packets_there_and_back_by_websocket(peer):
    async with peer.session() as websocket:
        for packet in "4hello", "4", "4á€😀", bytes([1, 2, 3, 4]), bytes(70_000), b"":
            await websocket.send(packet)
            assert await receive(websocket) == packet


@pytest.mark.parametrize("payload", ["abc", "", "4a\x1e", "0{}", "2", "6", "b!", "bAQI", "3x"])
async def test_a_broken_payload_closes_the_session(peer, payload):
    sid = await peer.open()
    assert (await peer.post(sid, payload)).status == 400
    assert (await peer.get(sid)).status == 400


@pytest.mark.parametrize("packet", ["abc", "", "0{}", "2", "6", "2probe", "5"])
async def test_a_broken_packet_closes_the_websocket(peer, packet):
    async with peer.session() as websocket:
        await websocket.send(packet)
        assert await ended(websocket) == []


async def test_two_polls_at_once_close_the_session(peer):
    sid = await peer.open()
    async with peer.polling(sid) as first:
        assert (await peer.get(sid)).status == 400
        assert await first == (200, "1")
    assert (await peer.get(sid)).status == 400


async def test_two_posts_at_once_close_the_session(peer):
    sid = await peer.open()
    more = asyncio.Event()

    async def body():
        yield b"4hel"
        await more.wait()
        yield b"lo"

    first = asyncio.create_task(peer.post(sid, body()))
    await peer.guard.until("POST")
    assert (await peer.post(sid, "4hello")).status == 400
    more.set()
    await first
    assert (await peer.get(sid)).status == 400


async def test_a_request_larger_than_the_maximum(serve):
    peer = await serve(max_payload=1000)
    sid = await peer.open()
    assert await peer.post(sid, "4" * 1000) == (200, "ok")
    assert (await peer.post(sid, "4" * 1001)).status == 413
    assert (await peer.get(sid)).status == 400


async def test_a_frame_larger_than_the_maximum(serve):
    peer = await serve(max_payload=1000)
    async with peer.session() as websocket:
        await websocket.send("4" * 1000)
        assert await receive(websocket) == "4" * 1000
        await websocket.send("4" * 1001)
        assert await ended(websocket) == []


async def test_fragments_larger_than_the_maximum_together(serve):
    peer = await serve(max_payload=1000)
    async with peer.session() as websocket:
        await websocket.send(["4" * 600, "4" * 400])
        assert await receive(websocket) == "4" * 1000
        await websocket.send(["4" * 600, "4" * 401])
        assert await ended(websocket) == []


async def test_a_client_that_goes_away_in_the_middle_of_a_poll_closes_its_session(peer):
    sid = await peer.open()
    async with peer.polling(sid):
        pass
    await peer.guard.until("left")
    assert (await peer.get(sid)).status == 400


async def test_a_client_that_goes_away_in_the_middle_of_a_post_closes_its_session(peer):
    sid = await peer.open()
    parts = urlsplit(peer.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST /?{peer.address(sid=sid)} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n4hel"
    writer.write(head.encode())
    await peer.guard.until("POST")
    writer.transport.abort()
    await peer.guard.until("left")
    assert (await peer.get(sid)).status == 400


# ---- frames -------------------------------------------------------------------------------------


async def test_control_frames_between_the_fragments_of_a_message(peer):
    async with peer.raw() as raw:
        await raw.frame()
        raw.send(TEXT, b"4he", fin=False)
        raw.send(PING, b"a")
        assert await raw.frame() == (PONG, b"a")
        raw.send(0, b"l", fin=False)
        raw.send(PONG)
        raw.send(0, b"lo")
        assert await raw.frame() == (TEXT, b"4hello")
        raw.send(BINARY, b"\1", fin=False)
        raw.send(0, b"", fin=False)
        raw.send(0, b"\2")
        assert await raw.frame() == (BINARY, b"\1\2")
        raw.send(TEXT, b"4whole")
        assert await raw.frame() == (TEXT, b"4whole")


@pytest.mark.parametrize(
    "frames",
    [
        [(0, b"4hello")],
        [(TEXT, b"4he", False), (TEXT, b"4llo")],
        [(BINARY, b"4he", False), (TEXT, b"4llo", False)],
        [(3, b"4hello")],
        [(PING, b"a" * 126)],
        [(PING, b"a", False)],
    ],
    ids=["no beginning", "no end", "no end twice", "unknown", "long ping", "part of a ping"],
)
async def test_frames_in_disorder_end_the_session(peer, frames):
    async with peer.raw() as raw:
        await raw.frame()
        for frame in frames:
            raw.send(*frame)
        last = await raw.frame()
        assert last is None or last[0] == CLOSE
        await peer.guard.until("left")


@pytest.mark.parametrize(
    ("code", "answers"),
    [(b"", b"\x03\xe8"), (b"\x03\xe8", b"\x03\xe8"), (b"\x0f\xa0", b"\x0f\xa0")],
)
async def test_a_websocket_that_is_closed_is_closed_from_here_too(peer, code, answers):
    async with peer.raw() as raw:
        await raw.frame()
        raw.send(CLOSE, code)
        assert await raw.frame() == (CLOSE, answers)
        assert await raw.frame() is None
        await peer.guard.until("left")


async def test_a_frame_without_a_mask_ends_the_session(peer):
    async with peer.raw() as raw:
        await raw.frame()
        raw.writer.write(b"\x81\x024a")
        last = await raw.frame()
        assert last is None or last[0] == CLOSE
        await peer.guard.until("left")


# ---- heartbeat ----------------------------------------------------------------------------------


async def test_pings_by_polling(serve):
    peer = await serve(**QUICK)
    sid = await peer.open()
    for _ in range(3):
        assert await peer.get(sid) == (200, "2")
        assert await peer.post(sid, "3") == (200, "ok")


async def test_pings_by_websocket(serve):
    peer = await serve(**QUICK)
    async with peer.session() as websocket:
        for _ in range(3):
            assert await receive(websocket) == "2"
            await websocket.send("3")


async def test_a_session_that_polls_ends_at_the_pings_timeout(serve):
    peer = await serve(**QUICK)
    clock = asyncio.get_running_loop().time
    took = []
    for number in 1, 2, 3:
        sid = await peer.open()
        begin = clock()
        await peer.guard.until("left", number)
        took.append(clock() - begin)
        assert (await peer.get(sid)).status == 400
    assert min(took) < 0.51  # the suite waits for no longer; this computer may be busy


async def test_a_websocket_ends_at_the_pings_timeout(serve):
    peer = await serve(**QUICK)
    async with peer.session() as websocket:
        assert await ended(websocket) == ["2"]


async def test_a_poll_ends_at_the_pings_timeout(serve):
    peer = await serve(**QUICK)
    sid = await peer.open()
    assert await peer.get(sid) == (200, "2")
    assert await peer.get(sid) == (200, "1")


async def test_each_ping_has_its_own_timeout_also_where_it_is_longer_than_the_interval(serve):
    peer = await serve(ping_interval=0.1, ping_timeout=0.25)
    clock = asyncio.get_running_loop().time
    async with peer.session() as websocket:
        for _ in range(2):
            assert await receive(websocket) == "2"
            await websocket.send("3")
        assert await receive(websocket) == "2"
        pinged = clock()
        assert await ended(websocket) == []
        # The first ping's timeout passes meanwhile, and it was answered.
        assert clock() - pinged > 0.2


async def test_pongs_that_nobody_asked_for_change_nothing(serve):
    peer = await serve(**QUICK)
    async with peer.session() as websocket:
        for _ in range(5):
            await websocket.send("3")
        assert await ended(websocket) == ["2"]


# ---- close --------------------------------------------------------------------------------------


async def test_a_client_closes_its_session_and_the_poll_ends(peer):
    sid = await peer.open()
    async with peer.polling(sid) as poll:
        assert await peer.post(sid, "1") == (200, "ok")
        assert await poll == (200, "6")
    assert (await peer.get(sid)).status == 400


async def test_a_client_closes_its_session_on_a_websocket(peer):
    async with peer.session() as websocket:
        await websocket.send("1")
        assert await ended(websocket) == []
        assert websocket.close_code == 1000


async def test_a_websocket_that_is_cut_off_ends_its_session(peer):
    async with peer.session() as websocket:
        websocket.transport.abort()
        await peer.guard.until("left")


async def test_at_the_servers_end_polls_and_websockets_are_closed(peer):
    sid = await peer.open()
    async with peer.polling(sid) as poll, peer.session() as websocket:
        await peer.server.shutdown()
        assert await poll == (200, "1")
        assert await ended(websocket) == []


async def test_what_waits_goes_out_before_the_end(peer):
    async with peer.session() as websocket:
        await websocket.send("4a")
        await websocket.send("4b")
        await websocket.send("1")
        assert await ended(websocket) == ["4a", "4b"]


# ---- upgrade ------------------------------------------------------------------------------------


async def test_an_upgrade(peer):
    sid = await peer.open()
    async with peer.websocket(sid=sid) as websocket:
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        assert await peer.get(sid) == (200, "6")
        await websocket.send("5")
        await websocket.send("4hello")
        assert await receive(websocket) == "4hello"


async def test_the_poll_that_waits_ends_at_the_probe(peer):
    sid = await peer.open()
    async with peer.polling(sid) as poll, peer.websocket(sid=sid) as websocket:
        assert not poll.done()
        await websocket.send("2probe")
        assert await poll == (200, "6")


async def upgraded(peer, sid, websocket):
    await websocket.send("2probe")
    assert await receive(websocket) == "3probe"
    await websocket.send("5")
    await websocket.send("4done")
    assert await receive(websocket) == "4done"


async def test_after_an_upgrade_other_requests_are_refused(peer):
    sid = await peer.open()
    async with peer.websocket(sid=sid) as websocket:
        await upgraded(peer, sid, websocket)
        assert (await peer.get(sid)).status == 400
        assert (await peer.post(sid, "4hello")).status == 400
        assert await refusal(peer.websocket(sid=sid)) == (400, 3)
        await websocket.send("4hello")
        assert await receive(websocket) == "4hello"


async def test_a_second_probe_is_refused_and_the_first_goes_on(peer):
    sid = await peer.open()
    async with peer.websocket(sid=sid) as websocket:
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        assert await refusal(peer.websocket(sid=sid)) == (400, 3)
        await websocket.send("5")
        await websocket.send("4hello")
        assert await receive(websocket) == "4hello"


@pytest.mark.parametrize("packets", [["4hello"], ["5"], ["2probe", "2probe"], ["2probe", "4a"]])
async def test_a_probe_out_of_order_ends_the_websocket_alone(peer, packets):
    sid = await peer.open()
    async with peer.websocket(sid=sid) as websocket:
        for packet in packets:
            await websocket.send(packet)
        await ended(websocket)
    assert await peer.post(sid, "4hello") == (200, "ok")
    assert await peer.get(sid) == (200, "4hello")


async def test_a_probe_that_is_given_up_leaves_the_session_polling(peer):
    sid = await peer.open()
    async with peer.websocket(sid=sid) as websocket:
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        await peer.post(sid, "4hello")
    assert await peer.get(sid) == (200, "4hello")


async def test_an_upgrade_that_does_not_go_on_is_given_up(serve):
    peer = await serve(connect_timeout=0.2)
    sid = await peer.open()
    await peer.post(sid, "4hello")
    async with peer.websocket(sid=sid) as websocket:
        assert await ended(websocket) == []
    assert await peer.get(sid) == (200, "4hello")


async def test_the_order_is_kept_over_an_upgrade_while_messages_flow(peer):
    sid = await peer.open()
    numbers = iter(range(1000))
    expected, heard, probed = [], [], asyncio.Event()

    def some():
        packets = [f"4{next(numbers)}" for _ in range(10)]
        expected.extend(packets)
        return packets

    async def poll():
        while not probed.is_set():
            answer = await peer.get(sid)
            assert answer.status == 200
            heard.extend(packet for packet in answer.text.split(SEPARATOR) if packet != "6")

    polls = asyncio.create_task(poll())
    async with peer.websocket(sid=sid) as websocket:
        for _ in range(5):
            assert await peer.post(sid, SEPARATOR.join(some())) == (200, "ok")
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        for _ in range(5):  # these wait for the websocket
            assert await peer.post(sid, SEPARATOR.join(some())) == (200, "ok")
        probed.set()
        await polls
        await websocket.send("5")
        for packet in some():
            await websocket.send(packet)
        while len(heard) < len(expected):
            heard.append(await receive(websocket))
    assert heard == expected


async def test_the_handshake_of_a_session_that_never_says_more_is_forgotten(serve):
    peer = await serve(Echo, connect_timeout=0.2)
    sid = await peer.open()
    await peer.guard.until("it did not connect")
    assert (await peer.get(sid)).status == 400
