"""The open sockets of a gateway: their users, their rooms, and sending to them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nochat.protocol.actions import Actor
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import RoomSummary
from nochat.services.gateway.socket_io import SocketServer


@dataclass
class Connection(Actor):
    """One socket, with its user, session, address, start and rooms."""

    session: str = ""
    address: str = ""
    token: str = field(default="", repr=False)
    expires: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def mute(self, room: str, on: bool) -> None:
        """Store whether its user is muted in a room."""
        (self.muted.add if on else self.muted.discard)(room)


class Connections:
    """The connections of one gateway by socket id, and the only place that broadcasts.

    Socket.IO's own rooms are named `user:…` for a user's sockets, and `room:…` for the sockets of a
    chat room's members.
    """

    def __init__(self, io: SocketServer) -> None:
        self._io = io
        self._open: dict[str, Connection] = {}

    def __len__(self) -> int:
        """Count the open sockets."""
        return len(self._open)

    def all(self) -> list[tuple[str, Connection]]:
        """List the open sockets."""
        return list(self._open.items())

    def of(self, user: str) -> list[tuple[str, Connection]]:
        """List a user's open sockets."""
        sids = self._io.members(f"user:{user}")
        return [(sid, self._open[sid]) for sid in sids if sid in self._open]

    def get(self, sid: str) -> Connection | None:
        """Return an open socket's connection."""
        return self._open.get(sid)

    def add(self, sid: str, connection: Connection) -> None:
        """Add an authenticated socket."""
        self._open[sid] = connection
        self._io.charge(sid, connection.user)
        self._io.enter(sid, f"user:{connection.user}")

    def pop(self, sid: str) -> Connection | None:
        """Remove a socket; return its connection, if it was open."""
        return self._open.pop(sid, None)

    # ---- the rooms of each socket ---------------------------------------------------------------

    def sees(self, sid: str, room: str) -> bool:
        """Return whether a socket receives a room's events."""
        connection = self._open.get(sid)
        return connection is not None and room in connection.rooms

    def admit(self, sid: str, rooms: Iterable[RoomSummary]) -> list[RoomSummary]:
        """Add a socket to those rooms that its user is a member of; return them."""
        if not (connection := self._open.get(sid)):
            return []
        own = [room for room in rooms if connection.user in room.members]
        for room in own:
            # Not of all the user's sockets: each of them is told what changes meanwhile.
            connection.mute(room.room, connection.user in room.muted)
            self.enter(sid, room.room)
        return own

    def enter(self, sid: str, room: str) -> None:
        """Add a socket to a room."""
        if connection := self._open.get(sid):
            connection.rooms.add(room)
            self._io.enter(sid, f"room:{room}")

    def leave(self, sid: str, room: str) -> None:
        """Remove a socket from a room."""
        if connection := self._open.get(sid):
            connection.rooms.discard(room)
        self._io.leave(sid, f"room:{room}")

    def leave_all(self, sid: str) -> None:
        """Remove a socket from all rooms."""
        if connection := self._open.get(sid):
            for room in list(connection.rooms):
                self.leave(sid, room)

    def close(self, room: str) -> None:
        """Remove all sockets from a deleted room."""
        for sid, connection in self._open.items():
            if room in connection.rooms:
                self.leave(sid, room)

    def note_muted(self, user: str, room: RoomSummary) -> None:
        """Store whether a user is muted in a room, from the room's summary."""
        self.mute(user, room.room, user in room.muted)

    def mute(self, user: str, room: str, on: bool) -> None:
        """Store whether a user is muted in a room; a mute outlasts leaving the room."""
        for _, connection in self.of(user):
            connection.mute(room, on)

    # ---- sending --------------------------------------------------------------------------------

    async def to_socket(self, sid: str, event: str, data: Any) -> None:
        """Send an event to one socket."""
        await self._io.emit(event, data, room=sid)

    async def to_user(self, user: str, event: str, data: Any) -> None:
        """Send an event to all sockets of a user."""
        await self._io.emit(event, data, room=f"user:{user}")

    async def to_room(self, room: str, event: str, data: Any) -> None:
        """Send an event to the sockets in a room."""
        await self._io.emit(event, data, room=f"room:{room}")

    async def to_all(self, event: str, data: Any) -> None:
        """Send an event to every socket."""
        await self._io.emit(event, data)

    async def sign_out(self, sid: str, reason: Reason) -> None:
        """Close a socket, and send the reason before."""
        await self.to_socket(sid, "signed-out", reason.fields)
        await self.disconnect(sid)

    async def disconnect(self, sid: str) -> None:
        """Close a socket."""
        await self._io.disconnect(sid)
