"""The socket.io side of a gateway: what clients may send, and what they are sent.

From a client, each acknowledged with its answer's fields or `{"error": …, "retry": …}`: the actions
of `nochat.actions`. To a client: `welcome`, `room`, `created`, `deleted`, `invited`, `entries`,
`presence`, `typing`, `notified`, `read`, `rejected`, `role`, `resync`, `signed-out`.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec
import socketio

from nochat import client, incoming
from nochat.actions import ACTIONS, Action, Who
from nochat.background import Background
from nochat.bus import Bus
from nochat.engine import Application, Server
from nochat.errors import NochatError, RequestFailed
from nochat.events import (
    AccountChanged,
    CommandRejected,
    MemberModerated,
    PresenceReported,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    SessionsEnded,
    TypingStarted,
    UserConnected,
    UserDisconnected,
    UserInvited,
    UserNotified,
    caused_by,
    new_id,
)
from nochat.limits import Limit, address
from nochat.origin import Origin, cookie_names, further_origins, may_act
from nochat.presence import REPORT_EVERY, Presence
from nochat.prices import Prices, Refusal
from nochat.requests import GetHistory, GetRooms, Rooms, Session, WhoIs
from nochat.settings import Settings

log = logging.getLogger(__name__)

MISSED = 200  # entries of a room that a client is sent when it comes back; more it asks for
PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm
SHOWN = 5.0  # new public rooms a second that everybody is shown at once; others they find
MOST_REFUSED = 500  # actions too many, one after the other, after which a socket is closed

TOLD = {UserNotified: "notified", RoomRead: "read", CommandRejected: "rejected"}


@dataclass
class Connection(Who):
    """One socket: whose it is, in which session, from where, since when, and what it sees."""

    session: str = ""
    address: str = ""
    expires: float = 0.0
    since: float = field(default_factory=time.monotonic)
    refused: int = 0


class Sockets:
    """The sockets of one gateway.

    Attributes:
        app: the ASGI application.
        name: this gateway among the others.
    """

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.name = f"gateway-{new_id()[:8]}"
        self._bus, self._origins = bus, further_origins(settings)
        self._connections: dict[str, Connection] = {}
        self._presence = Presence(self.name)
        self._prices = Prices(settings)
        self._shown = Limit(SHOWN, 1.0)
        self._latest: dict[str, int] = {}  # position of the last entry that was spread, by room
        self._background = Background()
        self._io = Server(
            async_mode="asgi",
            cors_allowed_origins=self._may_connect,
            max_http_buffer_size=settings.max_frame,
            logger=logging.getLogger("socketio.quiet"),
            engineio_logger=logging.getLogger("engineio.quiet"),
        )
        self.app = Application(self._io)
        self._io.on("connect", self._connect)
        self._io.on("disconnect", self._disconnect)
        for name, action in ACTIONS.items():
            self._io.on(name, self._receiver(action))

    def count(self) -> int:
        """How many are open."""
        return len(self._connections)

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
                elif isinstance(entry, RoomCreated) and entry.kind == "public":
                    if not self._shown.wait("created"):
                        await self._to_all("created", client.view(entry))
                elif isinstance(entry, RoomDeleted) and entry.kind == "public":
                    await self._to_all("deleted", {"room": room})
                elif isinstance(entry, UserInvited):
                    await self._to_user(entry.invitee, "invited", client.view(entry))
            await self._to_room(room, "entries", client.entries(room, entries))
            for entry in entries:
                if gone := _gone(entry):
                    await self._see_no_more(gone, room)
                elif isinstance(entry, RoomDeleted):
                    await self._close(room)

    async def tell(self, user: str, event: UserNotified | RoomRead | CommandRejected) -> None:
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

    async def end_sessions(self, event: SessionsEnded) -> None:
        """Close the sockets of sessions that are over, and say why."""
        for sid in self._sids(event.user):
            if (it := self._connections.get(sid)) and it.session in event.sessions:
                await self._sign_out(sid, event.reason)

    async def account_changed(self, event: AccountChanged) -> None:
        """A role counts at once."""
        for sid in self._sids(event.user):
            if it := self._connections.get(sid):
                it.role = event.role
        await self._to_user(event.user, "role", {"role": event.role})

    async def _sign_out(self, sid: str, reason: str) -> None:
        await self._io.emit("signed-out", {"reason": reason}, to=sid)
        await self._io.disconnect(sid)

    def resync(self) -> None:
        """Let every client ask for what it may have missed."""
        if self._connections:
            self._background.start(self._to_all("resync", {}))

    # ---- what clients say -----------------------------------------------------------------------

    def _receiver(self, action: Action) -> Callable[..., Awaitable[dict[str, Any]]]:
        """The socket.io handler: checks rate and shape, and turns errors into answers."""

        async def receive(sid: str, data: Any = None, *_: Any) -> dict[str, Any]:
            if not (connection := self._connections.get(sid)):
                return {"error": "not connected", "retry": True}
            if refusal := self._prices.refusal(action, connection.user, connection.address):
                return await self._refuse(sid, connection, refusal)
            connection.refused = 0
            try:
                sent = incoming.read(data, action.shape)
                with caused_by(getattr(sent, "client_id", "")):
                    return await action.act(connection, sent, self._bus, self._publish)
            except msgspec.ValidationError as error:
                return {"error": str(error), "retry": False}
            except RequestFailed as error:
                return {"error": str(error), "retry": False}
            except (NochatError, TimeoutError) as error:
                log.warning("a client was told to try again: %s", error)
                return {"error": "the chat can't take this now; try again", "retry": True}
            except Exception:  # whatever it is: without an answer the client would wait
                log.exception("%s failed", action.shape.__name__)
                return {"error": "the chat failed at this; its log says why", "retry": False}

        return receive

    async def _refuse(self, sid: str, connection: Connection, refusal: Refusal) -> dict[str, Any]:
        connection.refused += 1
        if connection.refused == MOST_REFUSED:
            log.warning("a socket of %s is closed: it does not slow down", connection.user)
            await self._io.disconnect(sid)
        if not refusal.wait:
            return {"error": refusal.reason, "retry": False}
        return {"error": refusal.reason, "retry": True, "wait": refusal.wait}

    async def _publish(self, *events: Any) -> None:
        async with asyncio.timeout(PUBLISH_TIMEOUT):
            await self._bus.publish(*events)

    # ---- connections ----------------------------------------------------------------------------

    def _may_connect(self, origin: str | None, environ: dict[str, Any]) -> bool:
        return not origin or may_act(origin, environ["asgi.scope"], self._origins)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            await self._let_in(sid, environ, auth)
        except socketio.exceptions.ConnectionRefusedError:
            raise
        except Exception:
            log.exception("a connection is refused")
            self._connections.pop(sid, None)
            raise socketio.exceptions.ConnectionRefusedError("unavailable") from None

    async def _let_in(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        try:
            token = _token(environ, self._origins)
            session: Session = await self._bus.request(WhoIs(token=token))
        except NochatError as error:
            log.warning("a connection was refused: %s", error)
            raise socketio.exceptions.ConnectionRefusedError("unavailable") from None
        if not (user := session.user):
            raise socketio.exceptions.ConnectionRefusedError("log in first")
        if client.believed(auth) not in ("", user):
            # Another tab logged somebody else in: what this one has to send is not theirs.
            raise socketio.exceptions.ConnectionRefusedError("another user")
        self._connections[sid] = Connection(
            user,
            session.role,
            session=session.digest,
            address=address(environ["asgi.scope"]),
            expires=session.expires,
        )
        if self._presence.came(user):
            self._background.start(self._report())
        await self._io.enter_room(sid, f"user:{user}")
        self._background.start(self._receive(sid, session, client.positions(auth)))

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        if connection := self._connections.pop(sid, None):
            await self._gone(sid, connection, reason)

    async def _gone(self, sid: str, connection: Connection, reason: str) -> None:
        seconds = round(time.monotonic() - connection.since, 3)
        try:
            await self._publish(UserDisconnected(connection.user, sid, self.name, seconds, reason))
        except Exception as error:
            log.warning("nobody is told that a socket is gone: %r", error)
        if self._presence.went(connection.user):
            await self._report()

    async def _receive(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Welcome a new socket; where that fails, close it, as its client then tries again."""
        try:
            await self._publish(UserConnected(session.user, sid, self.name))
            await self._welcome(sid, session, positions)
        except Exception as error:
            unexpected = None if isinstance(error, NochatError | TimeoutError) else error
            log.warning("a socket is closed: no welcome: %s", error, exc_info=unexpected)
            await self._io.disconnect(sid)

    async def _welcome(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Let a socket see its rooms, then send it what it missed."""
        found: Rooms = await self._bus.request(GetRooms(user=session.user))
        mine = [each for each in found.rooms if session.user in each.members]  # not invitations
        for each in mine:
            await self._enter(sid, each.room)
        online = sorted(self._presence.users)
        await self._io.emit("welcome", client.welcome(session, found.rooms, online), to=sid)
        for each in mine:
            # What was spread since the list of rooms was made, this socket has not seen either.
            seen, last = positions.get(each.room, each.position), self._latest.get(each.room, 0)
            if seen < max(each.position, last) and self._sees(sid, each.room):
                page = GetHistory(room=each.room, after=seen, limit=MISSED)
                missed = await self._bus.request(page)
                await self._io.emit("entries", client.history(missed), to=sid)

    def _sees(self, sid: str, room: str) -> bool:
        connection = self._connections.get(sid)
        return connection is not None and room in connection.rooms

    async def _enter(self, sid: str, room: str) -> None:
        if connection := self._connections.get(sid):
            connection.rooms.add(room)
            await self._io.enter_room(sid, f"room:{room}")

    async def _see(self, user: str, room: str) -> None:
        sids = self._sids(user)
        for sid in sids:
            await self._enter(sid, room)
        if sids:  # who comes in must hear who is in it, but nobody waits for that
            self._background.start(self._introduce(user, room))

    async def _introduce(self, user: str, room: str) -> None:
        """Tell a user what there is to know of a room; the next welcome does it too."""
        with suppress(NochatError):
            found: Rooms = await self._bus.request(GetRooms(user=user, room=room))
            for each in found.rooms:
                await self._to_user(user, "room", msgspec.to_builtins(each))

    async def _see_no_more(self, user: str, room: str) -> None:
        for sid in self._sids(user):
            if connection := self._connections.get(sid):
                connection.rooms.discard(room)
            await self._io.leave_room(sid, f"room:{room}")

    async def _close(self, room: str) -> None:
        """The room is gone: nobody is in it any more."""
        for sid, connection in list(self._connections.items()):
            if room in connection.rooms:
                connection.rooms.discard(room)
                await self._io.leave_room(sid, f"room:{room}")
        self._latest.pop(room, None)

    def _sids(self, user: str) -> list[str]:
        return [sid for sid, _ in self._io.manager.get_participants("/", f"user:{user}")]

    # ---- presence -------------------------------------------------------------------------------

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report who is here until the block ends; then close every socket."""
        self._background.start(self._keep_reporting())
        try:
            yield
        finally:
            self._background.cancel()
            for sid, connection in list(self._connections.items()):
                await self._gone(sid, connection, "the gateway stopped")
            self._connections.clear()
            await self._io.shutdown()

    async def _keep_reporting(self) -> None:
        while True:
            try:
                await self._report()
                await self._expire()
            except Exception:  # the next one may be right
                log.exception("who is here was not reported")
            await asyncio.sleep(REPORT_EVERY)

    async def _expire(self) -> None:
        """A socket ends with its session."""
        now = time.time()
        over = [sid for sid, it in self._connections.items() if it.expires < now]
        for sid in over:
            await self._sign_out(sid, "")

    async def _report(self) -> None:
        report = PresenceReported(self.name, sorted(self._presence.here))
        with suppress(NochatError):  # the next report says it all again
            await self._bus.publish(report)


def _gone(entry: RoomEvent) -> str:
    """Who is in the room no longer by this entry, if anybody."""
    match entry:
        case RoomLeft():
            return entry.user
        case MemberModerated(action="kick" | "ban"):
            return entry.member
        case _:
            return ""


def _token(environ: dict[str, Any], further: Collection[Origin]) -> str:
    try:
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        return ""
    names = cookie_names(environ["asgi.scope"], further)
    return next((cookies[name].value for name in names if name in cookies), "")
