"""Malformed frames, packets, bodies and JSON: the process lives, and others chat on."""

import asyncio
import http.client
import json
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from nochat.lab.people import Person
from nochat.protocol.actions import ACTIONS

pytestmark = pytest.mark.slow

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=15,
)
FIELDS = sorted({name for action in ACTIONS.values() for name in action.shape.__struct_fields__})
DATA = JSON | st.dictionaries(st.sampled_from(FIELDS), JSON | st.just("lobby"))
EVENTS = st.builds(
    lambda ack, name, data: f"42{ack}" + json.dumps([name, *data]),
    st.sampled_from(["", "1", "99999999999999999999"]),
    st.sampled_from([*ACTIONS, "connect", "disconnect", "nope"]) | st.text(max_size=9),
    st.lists(DATA, max_size=3),
)
PACKETS = st.builds(
    str.__add__,
    st.sampled_from(["", *"0123456", "40", "41", "42", "43", "44", "45", "451-", "4599999999-"]),
    st.text(max_size=99) | JSON.map(json.dumps),
)
fuzz = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def cookie(chat):
    """A session of eve's."""

    async def arrive():
        async with Person("eve", chat.url) as eve:
            (morsel,) = eve._http.cookie_jar
            return f"{morsel.key}={morsel.value}"

    return asyncio.run(arrive())


@pytest.fixture(scope="module", autouse=True)
def _others_chat_on(chat):
    """At the end of it all, and nothing went wrong by the chat's own account."""
    yield

    async def talk():
        async with Person("ana", chat.url) as ana, Person("bob", chat.url) as bob:
            await ana.says("we are still here")
            await bob.until(lambda: "we are still here" in bob.texts())

    asyncio.run(talk())
    (process,) = chat.processes.values()
    said = [json.loads(line) for line in process.log.read_text().splitlines() if line[:1] == "{"]
    assert [record["exception"][-700:] for record in said if "exception" in record] == []


def is_alive(chat):
    place = urlsplit(chat.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def a_websocket(chat, cookie):
    url = chat.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    return connect(url, additional_headers={"Cookie": cookie}, close_timeout=1)


@given(st.lists(PACKETS | st.binary(max_size=200), min_size=1, max_size=5))
@fuzz
def test_any_packets(chat, cookie, packets):
    with a_websocket(chat, cookie) as ws:
        try:
            for packet in packets:
                ws.send(packet)
        except ConnectionClosed:
            pass
    assert is_alive(chat)


@given(st.lists(EVENTS, min_size=1, max_size=5))
@fuzz
def test_any_events(chat, cookie, events):
    with a_websocket(chat, cookie) as ws:
        ws.recv(timeout=5)
        ws.send("40")
        while not str(ws.recv(timeout=5)).startswith("40"):
            pass  # others come and go meanwhile
        try:
            for event in events:
                ws.send(event)
            ws.send('427["typing",{}]')
            while not str(ws.recv(timeout=10)).startswith("437"):
                pass
        except ConnectionClosed:
            pass  # put out for what it sent
    assert is_alive(chat)


@given(st.binary(min_size=1, max_size=300))
@fuzz
def test_any_bytes_after_the_handshake(chat, cookie, data):
    place = urlsplit(chat.url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as raw:
        request = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            f"Host: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        )
        raw.sendall(request.encode())
        assert raw.recv(12) == b"HTTP/1.1 101"
        raw.sendall(data)
    assert is_alive(chat)


@given(st.binary(min_size=1, max_size=300))
@fuzz
def test_any_bytes_in_place_of_a_request(chat, data):
    place = urlsplit(chat.url)
    with socket.create_connection((place.hostname, place.port), timeout=5) as raw:
        raw.sendall(data)
    assert is_alive(chat)


@given(body=st.binary(max_size=300) | PACKETS.map(str.encode), query=st.text(max_size=30))
@fuzz
def test_any_body_of_long_polling(chat, cookie, body, query):
    place = urlsplit(chat.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
    path = "/socket.io/?EIO=4&transport=polling"
    connection.request("GET", path, headers={"Cookie": cookie})
    sid = json.loads(connection.getresponse().read()[1:])["sid"]
    connection.request("POST", f"{path}&sid={sid}", body, {"Cookie": cookie})
    assert connection.getresponse().status in (200, 400)
    connection.close()
    assert is_alive(chat)


@pytest.mark.parametrize("size", [65_537, 10_000_000])
def test_a_frame_over_the_size_limit_ends_the_connection_and_no_more(chat, cookie, size):
    with a_websocket(chat, cookie) as ws:
        ws.recv(timeout=5)
        with suppress(ConnectionClosed):
            ws.send("4" + "x" * size)
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=5)
    assert is_alive(chat)


def server_of(chat):
    """The process that listens at the chat's address."""
    port = urlsplit(chat.url).port
    for process in psutil.Process().children(recursive=True):
        if any(
            connection.status == "LISTEN" and connection.laddr.port == port
            for connection in process.net_connections()
        ):
            return process
    raise AssertionError("nobody listens")


@pytest.mark.parametrize("length", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/socket.io/?EIO=4&transport=polling&sid={}", "/api/login"])
def test_a_body_without_end_takes_no_memory(chat, cookie, length, path):
    place, server = urlsplit(chat.url), server_of(chat)
    first = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
    first.request("GET", "/socket.io/?EIO=4&transport=polling", headers={"Cookie": cookie})
    path = path.format(json.loads(first.getresponse().read()[1:])["sid"])
    first.close()
    before, most = server.memory_info().rss, 0
    with socket.create_connection((place.hostname, place.port), timeout=5) as raw:
        head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json"
        raw.sendall(f"{head}\r\nCookie: {cookie}\r\n{length}\r\n\r\n".encode())
        chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
        with suppress(OSError):  # the chat closes the connection, or reads no further
            for _ in range(6000):
                raw.sendall(chunk)
                most = max(most, server.memory_info().rss)
    assert most - before < 20_000_000
    assert is_alive(chat)


def test_nobody_comes_in_by_a_websocket_of_another_site(chat, cookie):
    url = chat.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(InvalidHandshake):
        connect(url, additional_headers={"Cookie": cookie}, origin="http://evil.example")
