"""A namespace of Socket.IO: its sockets, its rooms, and the handlers of its events."""

import secrets
from collections.abc import Callable, Iterable
from typing import Any

from nochat.engine import packets
from nochat.engine.packets import Outgoing, Packet
from nochat.engine.session import EngineSession

Handler = Callable[..., Any]


class Socket:
    """A client in one namespace.

    Attributes:
        way: the target of its packets: its session. Until it is connected, the socket itself
            takes that place and buffers them, since its CONNECT goes first; `due` keeps the outbox
            from flushing it.
        early: events that came while the handler of `connect` ran.
    """

    __slots__ = (
        "acks", "connected", "data", "due", "early", "last_ack", "namespace", "pending", "rooms",
        "session", "sid", "way",
    )  # fmt: skip

    def __init__(self, session: EngineSession, namespace: str) -> None:
        self.session, self.namespace = session, namespace
        self.sid = secrets.token_urlsafe(15)
        self.connected, self.due = False, True
        self.way: Any = self
        self.pending: list[Outgoing] = []
        self.early: list[Packet] = []
        self.rooms: set[str | None] = set()
        self.acks: dict[int, Handler] = {}
        self.last_ack = 0
        self.data: dict[str, Any] | None = None


class Namespace:
    """The sockets of a namespace, its rooms (`None` has all sockets), and its event handlers."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.sockets: dict[str, Socket] = {}
        self.rooms: dict[str | None, dict[str, EngineSession]] = {}

    def add(self, socket: Socket) -> None:
        """Add a new socket, which is not connected yet."""
        self.sockets[socket.sid] = socket
        self.enter(socket.sid, None)

    def connect(self, socket: Socket) -> None:
        """Send a socket its CONNECT, then the packets that were buffered for it."""
        socket.connected, socket.way = True, socket.session
        for room in socket.rooms:
            self.rooms[room][socket.sid] = socket.session
        told = packets.encode(packets.CONNECT, socket.namespace, {"sid": socket.sid})
        socket.session.send(told + socket.pending)
        socket.pending.clear()

    def enter(self, sid: str, room: str | None) -> None:
        """Add a socket to a room."""
        if socket := self.sockets.get(sid):
            socket.rooms.add(room)
            self.rooms.setdefault(room, {})[sid] = socket.way

    def leave(self, sid: str, room: str | None) -> None:
        """Remove a socket from a room."""
        members = self.rooms.get(room, {})
        members.pop(sid, None)
        if room in self.rooms and not members:
            del self.rooms[room]
        if socket := self.sockets.get(sid):
            socket.rooms.discard(room)

    def remove(self, socket: Socket) -> None:
        """Remove a socket and its memberships in rooms."""
        for room in list(socket.rooms):
            self.leave(socket.sid, room)
        del self.sockets[socket.sid]

    def sessions(self, room: str | None, skip: Iterable[str] = ()) -> Iterable[EngineSession]:
        """Return the sessions in a room, the session of a socket id, or all sessions (None)."""
        if room in self.sockets:
            members = {room: self.sockets[room].way}
        else:
            members = self.rooms.get(room, {})
        if skip:
            return [session for sid, session in members.items() if sid not in skip]
        return members.values()
