"""Clients that know no Socket.IO: they send what a test says, and give what came back."""

import asyncio
import base64
import json
import os
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import uvicorn
import websockets
from websockets.exceptions import ConnectionClosed

from nochat.engine import Guard, TakeOver
from nochat.engine.engine import EngineIO
from nochat.engine.packets import Outgoing
from nochat.runtime.http_server import Server

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SEPARATOR = "\x1e"


class Watching(Guard):
    """Lets a test wait for what happens in the server."""

    def __init__(self):
        self.seen = []
        self._changed = asyncio.Event()

    def note(self, what):
        """Note that something has happened."""
        self.seen.append(what)
        self._changed.set()

    async def until(self, what, times=1):
        """Wait until something has happened."""
        async with asyncio.timeout(10):
            while self.seen.count(what) < times:
                self._changed.clear()
                await self._changed.wait()

    def owns(self, session, scope):
        """Note a request of a session: `GET`, `POST` or `websocket`."""
        self.note(scope.get("method", "websocket"))
        return True

    def left(self, session):
        """Note that a session is over."""
        self.note("left")

    def evicted(self, session, why):
        """Note why a session was ended."""
        self.note(why)

    def slow(self, session, waiting):
        """Note that a client was dropped."""
        self.note("slow")


class Echo(EngineIO):
    """Engine.IO alone: it sends back what it is sent."""

    def on_message(self, session, data, binary):
        """Send it back."""
        session.expect(None)
        session.send([Outgoing(data if binary else b"4" + data, binary=binary)])


class Answer(NamedTuple):
    """An answer of HTTP."""

    status: int
    text: str


@dataclass
class Peer:
    """A client of a server, by HTTP and websockets.

    Attributes:
        server: that it is a client of.
        guard: of the server.
        path: that the server is at.
    """

    http: aiohttp.ClientSession
    server: EngineIO
    guard: Watching
    url: str
    path: str = "/engine.io/"

    def address(self, transport="polling", **query):
        """The address of a request."""
        given = {"EIO": "4", "transport": transport} | query
        return "&".join(f"{name}={value}" for name, value in given.items() if value is not None)

    async def request(self, method, body=None, headers=None, **query):
        """Make a request."""
        url = f"{self.url}{self.path}?{self.address(**query)}"
        async with self.http.request(method, url, data=body, headers=headers) as answer:
            return Answer(answer.status, await answer.text())

    async def get(self, sid=None, **query):
        """Open a session, or poll."""
        return await self.request("GET", sid=sid, **query)

    async def post(self, sid, body):
        """Send packets."""
        return await self.request("POST", body, sid=sid)

    async def open(self):
        """Open a session; give its id."""
        return sid_of((await self.get()).text)

    @asynccontextmanager
    async def polling(self, sid):
        """A poll that the server has: a task, whose result is its answer."""
        before = self.guard.seen.count("GET")
        poll = asyncio.create_task(self.get(sid))
        await self.guard.until("GET", before + 1)
        try:
            yield poll
        finally:
            poll.cancel()

    def websocket(self, headers=None, **query):
        """A websocket, to be entered."""
        address = self.address(**{"transport": "websocket"} | query)
        url = f"{self.url.replace('http', 'ws')}{self.path}?{address}"
        return websockets.connect(
            url,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            max_size=None,
            proxy=None,
        )

    @asynccontextmanager
    async def session(self):
        """A websocket after its handshake."""
        async with self.websocket() as websocket:
            assert (await receive(websocket)).startswith("0")
            yield websocket

    @asynccontextmanager
    async def connected(self, namespace="/", auth=""):
        """A websocket after Socket.IO's CONNECT."""
        async with self.session() as websocket:
            at = "" if namespace == "/" else f"{namespace},"
            await websocket.send(f"40{at}{auth}")
            assert (await receive(websocket)).startswith(f"40{at}{{")
            yield websocket

    @asynccontextmanager
    async def raw(self, connection="Upgrade", rest="EIO=4&transport=websocket"):
        """A websocket frame by frame."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {self.path}?{rest} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: {connection}\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            yield Raw(reader, writer, head)
        finally:
            writer.transport.abort()


@dataclass
class Raw:
    """A websocket frame by frame."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes

    def send(self, opcode, payload=b"", fin=True):
        """Send a frame; its mask is zero."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2)
        self.writer.write(bytes([opcode | 0x80 * fin]) + size + bytes(4) + payload)

    async def frame(self):
        """The next frame: its opcode and what is in it; None: the connection has ended."""
        try:
            async with asyncio.timeout(10):
                first, length = await self.reader.readexactly(2)
                if length == 126:
                    length = int.from_bytes(await self.reader.readexactly(2))
                return first & 15, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


def sid_of(handshake):
    """The id in a handshake."""
    return json.loads(handshake[1:])["sid"]


async def receive(websocket):
    """The next packet on a websocket."""
    async with asyncio.timeout(10):
        return await websocket.recv()


async def ended(websocket):
    """Wait until a websocket is closed; give what came before."""
    packets = []
    async with asyncio.timeout(10):
        with suppress(ConnectionClosed):
            while True:
                packets.append(await websocket.recv())
    return packets


class UntilTold(Server):
    """uvicorn, except that it ends when it is told to, and not a moment later."""

    async def main_loop(self):
        """Wait until the server is to end."""
        self.force_exit, self.told = True, asyncio.Event()
        await self.told.wait()


@asynccontextmanager
async def serving(app):
    """Serve an application on a free port, until the block ends; gives the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws=TakeOver, lifespan="off", log_config=None, access_log=False)
    server = UntilTold(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.told.set()
        await task
