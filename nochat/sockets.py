"""The socket.io side of a gateway: what clients may send, and what they are sent.

From a client, each acknowledged with its answer's fields or `{"error": …, "retry": …}`: `message`,
`join`, `leave`, `create`, `read`, `typing`, `history`. To a client: `welcome`, `created`,
`entries`, `presence`, `typing`, `mention`, `read`, `rejected`, `resync`.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec
import socketio

from nochat import client
from nochat.bus import Bus
from nochat.errors import NochatError, RequestFailed
from nochat.events import (
    CommandRejected,
    CreateRoom,
    GetHistory,
    GetRooms,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    PresenceReported,
    RoomCreated,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    Rooms,
    SendMessage,
    TypingStarted,
    UserConnected,
    UserDisconnected,
    UserMentioned,
    WhoIs,
    caused_by,
    new_id,
)
from nochat.presence import REPORT_EVERY, Presence
from nochat.settings import Settings

log = logging.getLogger(__name__)

MISSED = 200  # entries of a room that a client is sent when it comes back; more it asks for
PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm

TOLD = {UserMentioned: "mention", RoomRead: "read", CommandRejected: "rejected"}


@dataclass
class Connection:
    """One socket: whose it is, since when, and the rooms it sees."""

    user: str
    since: float = field(default_factory=time.monotonic)
    rooms: set[str] = field(default_factory=set)


class Sockets:
    """The sockets of one gateway.

    Attributes:
        app: the ASGI application.
        name: this gateway among the others.
    """

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.name = f"gateway-{new_id()[:8]}"
        self._bus, self._settings = bus, settings
        self._connections: dict[str, Connection] = {}
        self._presence = Presence(self.name)
        self._latest: dict[str, int] = {}  # position of the last entry that was spread, by room
        self._background: set[asyncio.Task[None]] = set()
        self._io = socketio.AsyncServer(
            async_mode="asgi",
            cors_allowed_origins=self._may_connect,
            max_http_buffer_size=settings.max_frame,
            logger=logging.getLogger("socketio.quiet"),
            engineio_logger=logging.getLogger("engineio.quiet"),
        )
        self.app = socketio.ASGIApp(self._io)
        self._io.on("connect", self._connect)
        self._io.on("disconnect", self._disconnect)
        for name, (shape, action) in self._actions().items():
            self._io.on(name, self._receiver(shape, action))

    # ---- fan-out: the one place that sends to many ----------------------------------------------

    async def _to_room(self, room: str, event: str, data: Any) -> None:
        await self._io.emit(event, data, room=f"room:{room}")

    async def _to_user(self, user: str, event: str, data: Any) -> None:
        await self._io.emit(event, data, room=f"user:{user}")

    async def _to_all(self, event: str, data: Any) -> None:
        await self._io.emit(event, data)

    # ---- what the bus says ----------------------------------------------------------------------

    async def spread(self, events: Iterable[RoomEvent]) -> None:
        """Send each room's members what happened in it: one packet for what arrived together."""
        for room, group in itertools.groupby(events, lambda event: event.room):
            entries = list(group)
            self._latest[room] = entries[-1].position
            for entry in entries:
                if isinstance(entry, RoomJoined):
                    await self._see(entry.user, room)
                elif isinstance(entry, RoomCreated):  # so that others can find it
                    await self._to_all("created", client.view(entry))
            await self._to_room(room, "entries", client.entries(room, entries))
            for entry in entries:
                if isinstance(entry, RoomLeft):
                    await self._see_no_more(entry.user, room)

    async def tell(self, user: str, event: UserMentioned | RoomRead | CommandRejected) -> None:
        """Send one user something."""
        await self._to_user(user, TOLD[type(event)], client.view(event))

    async def show_typing(self, event: TypingStarted) -> None:
        """Show a room that somebody is writing."""
        await self._to_room(event.room, "typing", {"room": event.room, "user": event.user})

    async def presence_reported(self, event: PresenceReported) -> None:
        """Take a gateway's report; show everybody what changed."""
        self._presence.reported(event.gateway, event.users)
        came, went = self._presence.changes()
        if came or went:
            await self._to_all("presence", {"came": came, "went": went})

    def resync(self) -> None:
        """Let every client ask for what it may have missed."""
        if self._connections:
            self._later(self._to_all("resync", {}))

    # ---- what clients say -----------------------------------------------------------------------

    def _actions(self) -> dict[str, tuple[type[Any], Callable[..., Awaitable[Any]]]]:
        return {
            "message": (client.Message, self._message),
            "join": (client.Room, self._join),
            "leave": (client.Room, self._leave),
            "create": (client.NewRoom, self._create),
            "read": (client.Read, self._read),
            "typing": (client.Room, self._typing),
            "history": (client.Page, self._history),
        }

    def _receiver(
        self, shape: type[Any], action: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[dict[str, Any]]]:
        """The socket.io handler: checks the data's shape, and turns errors into answers."""

        async def receive(sid: str, data: Any = None) -> dict[str, Any]:
            if not (connection := self._connections.get(sid)):
                return {"error": "not connected", "retry": True}
            try:
                sent = msgspec.convert(data, shape)
                with caused_by(getattr(sent, "client_id", "")):
                    return await action(connection, sent) or {}
            except msgspec.ValidationError as error:
                return {"error": str(error), "retry": False}
            except RequestFailed as error:
                return {"error": str(error), "retry": False}
            except (NochatError, TimeoutError) as error:
                log.warning("a client was told to try again: %s", error)
                return {"error": "the chat can't take this now; try again", "retry": True}

        return receive

    async def _publish(self, *events: Any) -> None:
        async with asyncio.timeout(PUBLISH_TIMEOUT):
            await self._bus.publish(*events)

    async def _message(self, connection: Connection, sent: client.Message) -> None:
        command = SendMessage(sent.room, connection.user, sent.client_id, sent.text)
        await self._publish(command)

    async def _join(self, connection: Connection, sent: client.Room) -> None:
        await self._publish(JoinRoom(sent.room, connection.user))

    async def _leave(self, connection: Connection, sent: client.Room) -> None:
        await self._publish(LeaveRoom(sent.room, connection.user))

    async def _create(self, connection: Connection, sent: client.NewRoom) -> None:
        await self._publish(CreateRoom(sent.room, connection.user, sent.title))

    async def _read(self, connection: Connection, sent: client.Read) -> None:
        await self._publish(MarkRead(sent.room, connection.user, sent.position))

    async def _typing(self, connection: Connection, sent: client.Room) -> None:
        _check_member(connection, sent.room)
        await self._publish(TypingStarted(sent.room, connection.user))

    async def _history(self, connection: Connection, sent: client.Page) -> dict[str, Any]:
        _check_member(connection, sent.room)
        page = GetHistory(room=sent.room, after=sent.after, before=sent.before, limit=sent.limit)
        found = await self._bus.request(page)
        return client.history(found)

    # ---- connections ----------------------------------------------------------------------------

    def _may_connect(self, origin: str | None, environ: dict[str, Any]) -> bool:
        host = environ.get("HTTP_X_FORWARDED_HOST") or environ.get("HTTP_HOST", "")
        own = {f"http://{host}", f"https://{host}"}
        return origin is None or origin in own | set(self._settings.origins.split(","))

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            session = await self._bus.request(WhoIs(token=_token(environ)))
        except NochatError as error:
            log.warning("a connection was refused: %s", error)
            raise socketio.exceptions.ConnectionRefusedError("unavailable") from None
        if not (user := getattr(session, "user", "")):
            raise socketio.exceptions.ConnectionRefusedError("log in first")
        self._connections[sid] = Connection(user)
        if self._presence.came(user):
            self._later(self._report())
        await self._io.enter_room(sid, f"user:{user}")
        self._later(self._receive(sid, self._connections[sid], client.positions(auth)))

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        if connection := self._connections.pop(sid, None):
            await self._gone(sid, connection, reason)

    async def _gone(self, sid: str, connection: Connection, reason: str) -> None:
        seconds = round(time.monotonic() - connection.since, 3)
        event = UserDisconnected(connection.user, sid, self.name, seconds, reason)
        with suppress(NochatError, TimeoutError):
            await self._publish(event)
        if self._presence.went(connection.user):
            await self._report()

    async def _receive(self, sid: str, connection: Connection, positions: dict[str, int]) -> None:
        """Welcome a new socket; where that fails, close it, as its client then tries again."""
        try:
            await self._publish(UserConnected(connection.user, sid, self.name))
            await self._welcome(sid, connection, positions)
        except (NochatError, TimeoutError) as error:
            log.warning("a connection is closed that could not be welcomed: %s", error)
            await self._io.disconnect(sid)

    async def _welcome(self, sid: str, connection: Connection, positions: dict[str, int]) -> None:
        """Let a socket see its rooms, then send it what it missed."""
        found: Rooms = await self._bus.request(GetRooms(user=connection.user))
        for each in found.rooms:
            if connection.user in each.members:
                await self._enter(sid, each.room)
        online = sorted(self._presence.users)
        await self._io.emit("welcome", client.welcome(connection.user, found.rooms, online), to=sid)
        for each in found.rooms:
            # What was spread since the list of rooms was made, this socket has not seen either.
            seen, last = positions.get(each.room, each.position), self._latest.get(each.room, 0)
            if each.room in connection.rooms and seen < max(each.position, last):
                page = GetHistory(room=each.room, after=seen, limit=MISSED)
                missed = await self._bus.request(page)
                await self._io.emit("entries", client.history(missed), to=sid)

    async def _enter(self, sid: str, room: str) -> None:
        if connection := self._connections.get(sid):
            connection.rooms.add(room)
            await self._io.enter_room(sid, f"room:{room}")

    async def _see(self, user: str, room: str) -> None:
        for sid in self._sids(user):
            await self._enter(sid, room)

    async def _see_no_more(self, user: str, room: str) -> None:
        for sid in self._sids(user):
            if connection := self._connections.get(sid):
                connection.rooms.discard(room)
            await self._io.leave_room(sid, f"room:{room}")

    def _sids(self, user: str) -> list[str]:
        return [sid for sid, _ in self._io.manager.get_participants("/", f"user:{user}")]

    # ---- presence -------------------------------------------------------------------------------

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report who is here until the block ends; then close every socket."""
        task = asyncio.create_task(self._keep_reporting())
        try:
            yield
        finally:
            task.cancel()
            for each in [*self._background]:
                each.cancel()
            for sid, connection in list(self._connections.items()):
                await self._gone(sid, connection, "the gateway stopped")
            self._connections.clear()
            await self._io.shutdown()

    async def _keep_reporting(self) -> None:
        while True:
            await self._report()
            await asyncio.sleep(REPORT_EVERY)

    async def _report(self) -> None:
        report = PresenceReported(self.name, sorted(self._presence.here))
        with suppress(NochatError):  # the next report says it all again
            await self._bus.publish(report)

    def _later(self, work: Any) -> None:
        """Run in the background."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _check_member(connection: Connection, room: str) -> None:
    if room not in connection.rooms:
        raise RequestFailed("only members of the room may do this")


def _token(environ: dict[str, Any]) -> str:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(client.COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
