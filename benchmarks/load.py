"""The load: raw websockets on one epoll, the same code and the same packets for both sides.

It looks for markers in what arrives instead of parsing it, so that it costs a fraction of any
server's work: a message's text holds one, whatever packet it travels in.
"""

import itertools
import json
import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from nochat.protocol.envelope import new_id

MARKER = b"#benchmark#"
TEXT = f"{MARKER.decode()} the quick brown fox jumps over the lazy dog, and the dog lets it"
DONE = b"[{}]"  # the data of an acknowledgement without error
WELCOME = b'"welcome"'
PING, PONG = b"\x81\x012", "3"
TAIL = len(MARKER) - 1
AT_ONCE = 32  # connections that are being opened at a time
PATIENCE = 20.0  # seconds without any progress
CHUNK = 65536


class LoadError(RuntimeError):
    """A server refused, closed a socket or stood still."""


def frame(packet: str) -> bytes:
    """Build a client's websocket text frame; its mask is zero, which servers apply as any other."""
    payload = packet.encode()
    if len(payload) < 126:
        header = bytes((0x81, 0x80 | len(payload)))
    else:
        header = b"\x81\xfe" + len(payload).to_bytes(2, "big")
    return header + bytes(4) + payload


def says(number: int, event: str, data: dict[str, Any]) -> str:
    """Build the packet of an event that asks for an acknowledgement."""
    return f"42{number}{json.dumps([event, data], separators=(',', ':'))}"


@dataclass(eq=False)
class Client:
    """One socket; `room` is where it reads, and where the room's first one writes."""

    room: "Room"
    link: socket.socket
    tail: bytes = b""
    heard: bytearray | None = None  # kept while the handshake or an answer is waited for
    step: Callable[["Client"], None] | None = None  # the handshake's next

    def send(self, *packets: str) -> None:
        """Send packets in one write."""
        self.link.sendall(b"".join(map(frame, packets)))


@dataclass(eq=False)
class Room:
    """A room: who is in it, and what has happened since it was opened."""

    name: str
    clients: list[Client] = field(default_factory=list)
    sent: int = 0
    acknowledged: int = 0
    delivered: int = 0
    finished: int = 0  # messages that are acknowledged, and that everybody has


@dataclass
class Busy:
    """How much of the time the generator itself was at work."""

    began: float = field(default_factory=time.perf_counter)
    worked: float = 0.0
    since: float = 0.0  # when what is being worked on came

    def pause(self) -> None:
        """Forget what had come."""
        if self.since:
            self.worked += time.perf_counter() - self.since
            self.since = 0.0

    def resume(self) -> None:
        """Something came; looking in vain, as it does when it spins, is no work."""
        self.since = time.perf_counter()

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.worked / (time.perf_counter() - self.began)


class Load:
    """Sockets to one server. Use it in `with`.

    Args:
        port: of the server, at 127.0.0.1.
        cookie: gives the value of the session's cookie for a room.
        spin: never sleep: waking a sleeping receiver is work that the server would be charged for.
            Only where a core is left for it.

    Attributes:
        finished: messages of all rooms that are acknowledged, and that everybody has.
        busy: how much of the last flood's time the generator was at work.
    """

    def __init__(self, port: int, cookie: Callable[[str], str], *, spin: bool) -> None:
        self._port, self._cookie = port, cookie
        self._timeout = 0.0 if spin else 0.05
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._rooms: list[Room] = []
        self._numbers = itertools.count(1)
        self._run = new_id()[:12]
        self.busy = Busy()
        self.finished = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.link.close()
        self._epoll.close()

    # ---- opening --------------------------------------------------------------------------------

    def open(self, rooms: Iterable[str], members: int) -> None:
        """Open sockets and wait until each of them is welcome in its room.

        Raises:
            LoadError: the server refuses.
        """
        new = [Room(name) for name in rooms]
        self._rooms += new
        to_open = [room for _ in range(members) for room in new]
        opening: set[Client] = set()
        while to_open or opening:
            while to_open and len(opening) < AT_ONCE:
                opening.add(self._open(to_open.pop()))
            self._turn_until(lambda: any(client.heard is None for client in opening))
            opening.difference_update([client for client in opening if client.heard is None])

    def _open(self, room: Room) -> Client:
        link = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        link.settimeout(None)  # with one, each recv() would ask the kernel twice
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(room, link, heard=bytearray(), step=_upgrade)
        room.clients.append(client)
        self._clients[link.fileno()] = client
        self._epoll.register(link, select.EPOLLIN)
        lines = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Cookie: nochat_session_{self._port}={self._cookie(room.name)}",
        )
        link.sendall("\r\n".join((*lines, "", "")).encode())
        return client

    # ---- asking ---------------------------------------------------------------------------------

    def ask(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send an event from the first room's first socket; returns its acknowledgement.

        Raises:
            LoadError: no answer.
        """
        client, number = self._rooms[0].clients[0], next(self._numbers)
        opening = b"43%d[" % number
        client.heard = heard = bytearray()
        client.send(says(number, event, data))
        # Whole once what follows the opening can be decoded.
        answer: list[dict[str, Any]] = []

        def answered() -> bool:
            at = heard.find(opening)
            with suppress(ValueError):
                if at >= 0:
                    text = heard[at + len(opening) - 1 :].decode(errors="replace")
                    answer.append(json.JSONDecoder().raw_decode(text)[0][0])
            return bool(answer)

        self._turn_until(answered)
        client.heard = None
        return answer[0]

    def hear(self, seconds: float) -> None:
        """Read what comes for some time."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._turn(0.05)

    # ---- messages -------------------------------------------------------------------------------

    def flood(self, seconds: float, window: int, most: int = 10**9) -> None:
        """Keep a number of messages in flight in every room for some time.

        Args:
            seconds: how long.
            window: messages in flight; one is until it is acknowledged and all members have it.
            most: messages after which it ends earlier.

        Raises:
            LoadError: the server refuses, or stands still.
        """
        began = progressed = time.perf_counter()
        before, self.busy = self.finished, Busy(began)
        touched = set(self._rooms)
        while (now := time.perf_counter()) < began + seconds and self.finished < before + most:
            for room in touched:
                if free := window - (room.sent - room.finished):
                    self._send(room, free)
            touched = self._turn()
            if touched:
                progressed = now
            elif now > progressed + PATIENCE:
                raise LoadError(f"nothing came for {PATIENCE:g} s")

    def settle(self) -> None:
        """Wait until nothing is in flight."""
        self._turn_until(lambda: all(room.finished == room.sent for room in self._rooms))

    def _send(self, room: Room, count: int) -> None:
        sender, packets = room.clients[0], []
        for _ in range(count):
            number = next(self._numbers)
            data = {"room": room.name, "client_id": f"{self._run}-{number}", "text": TEXT}
            packets.append(says(number, "message", data))
        room.sent += count
        sender.send(*packets)

    # ---- reading --------------------------------------------------------------------------------

    def _turn_until(self, condition: Callable[[], bool]) -> None:
        end = time.perf_counter() + PATIENCE
        while not condition():
            if time.perf_counter() > end:
                raise LoadError(f"no answer for {PATIENCE:g} s")
            self._turn()

    def _turn(self, timeout: float | None = None) -> set[Room]:
        """Read what has come; returns the rooms that it came in."""
        self.busy.pause()
        ready = self._epoll.poll(self._timeout if timeout is None else timeout)
        if not ready:
            return set()
        self.busy.resume()
        touched = {self._read(self._clients[descriptor]) for descriptor, _ in ready}
        for room in touched:
            finished = min(room.acknowledged, room.delivered // len(room.clients))
            self.finished += finished - room.finished
            room.finished = finished
        return touched

    def _read(self, client: Client) -> Room:
        room, data = client.room, client.link.recv(CHUNK)
        if not data:
            raise LoadError("the server closed a socket")
        if PING in data:
            client.send(PONG)
        if client.heard is not None:
            client.heard += data
            if client.step:
                client.step(client)
            return room
        had = len(client.tail)  # what markers may have begun in
        data = client.tail + data
        client.tail = data[-TAIL:]
        room.delivered += data.count(MARKER)
        if client is room.clients[0]:
            room.acknowledged += data.count(DONE, max(0, had - len(DONE) + 1))
            if b'"error"' in data or b'"rejected"' in data:
                raise LoadError(f"refused: {data[:300]!r}")
        return room


def _upgrade(client: Client) -> None:
    heard = client.heard or b""
    if b"\r\n\r\n" in heard:
        if not heard.startswith(b"HTTP/1.1 101"):
            raise LoadError(f"no websocket: {heard[:200]!r}")
        client.step = _connect
        client.send("40")


def _connect(client: Client) -> None:
    heard = client.heard or b""
    if b"44{" in heard or heard.endswith(b"\x0241"):  # refused, or told to go
        raise LoadError(f"not connected: {heard[-200:]!r}")
    if WELCOME in heard:
        client.heard = client.step = None
