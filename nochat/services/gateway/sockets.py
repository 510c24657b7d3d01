"""The socket.io side of a gateway: what clients may send, and what they are sent.

From a client, each acknowledged with its answer's fields or `{"error": …, "code": …, "params": …,
"retry": …}`: the actions of `nochat.protocol.actions`. To a client: `welcome`, `room`, `created`,
`deleted`, `invited`, `entries`, `presence`, `typing`, `notified`, `read`, `rejected`, `role`,
`resync`, `signed-out`.
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

from nochat.bus import Bus
from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.protocol import incoming, payloads, reasons
from nochat.protocol.actions import ACTIONS, Action, Actor
from nochat.protocol.envelope import caused_by, new_id
from nochat.protocol.events import (
    AccountChanged,
    CommandRejected,
    MemberModerated,
    PresenceReported,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomRead,
    SessionsEnded,
    TypingStarted,
    UserConnected,
    UserDisconnected,
    UserInvited,
    UserNotified,
)
from nochat.protocol.fields import MOST_TOKEN
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import GetHistory, RoomSummary, Session
from nochat.runtime import descriptors
from nochat.runtime.action_limits import ActionLimits
from nochat.runtime.background import Background
from nochat.runtime.origin import Origin, cookie_names, further_origins, may_act
from nochat.runtime.rate_limits import ConcurrencyLimit, Limit, Scope, ThrottledLog, address
from nochat.services.gateway.current_replies import CurrentReplies, gone, packets
from nochat.services.gateway.engine import Application, Server
from nochat.services.gateway.presence import REPORT_EVERY, Presence
from nochat.services.gateway.sessions_in_use import SessionsInUse
from nochat.settings import Settings

log = logging.getLogger(__name__)

ASK_AGAIN = 1.0  # seconds until a socket is verified again that could not be
MOST_VERIFIED = 20  # sockets at once
MISSED = 200  # entries of a room that a client is sent when it comes back; more it asks for
PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm
BURST = 5.0  # seconds worth of packets that may come at once
PACKETS = 5  # packets for each action that a user may take: more close the socket
SHOWN = 5.0  # new public rooms a second that everybody is shown at once; others they find

TOLD = {UserNotified: "notified", RoomRead: "read", CommandRejected: "rejected"}


@dataclass
class Connection(Actor):
    """One socket: its user, session, address and time, and the rooms that it sees."""

    session: str = ""
    address: str = ""
    token: str = field(default="", repr=False)
    expires: float = 0.0
    since: float = field(default_factory=time.monotonic)


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
        self._action_limits = ActionLimits(settings)
        self._shown = Limit(SHOWN, 1.0)
        self._most, self._throttled_log = settings.user_sockets, ThrottledLog()
        self._in_use = SessionsInUse(bus, settings)
        self._replies = CurrentReplies(bus)
        self._verifying = asyncio.Semaphore(MOST_VERIFIED)
        self._background = Background()
        self._io = Server(
            async_mode="asgi",
            cors_allowed_origins=self._may_connect,
            max_http_buffer_size=settings.max_frame,
            packets=Limit(PACKETS * settings.user_rate, BURST),
            session=lambda scope: _token(scope, self._origins),
            concurrency=ConcurrencyLimit(descriptors.share(settings.address_connections)),
            logger=logging.getLogger("socketio.quiet"),
            engineio_logger=logging.getLogger("engineio.quiet"),
        )
        self.app = Application(self._io)
        self._io.on("connect", self._connect)
        self._io.on("disconnect", self._disconnect)
        for name, action in ACTIONS.items():
            self._io.on(name, self._receiver(action))

    def count(self) -> int:
        """Count the open sockets."""
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
        """Send each room's members its new entries: one packet for those that arrived together.

        Somebody's end in the room is the last entry of a packet: the next is not for them.
        """
        for room, group in itertools.groupby(events, lambda event: event.room):
            for packet in packets(group):
                self._replies.spread(packet)
                await self._spread(room, packet)

    async def _spread(self, room: str, entries: list[RoomEvent]) -> None:
        for entry in entries:
            if isinstance(entry, RoomJoined):
                await self._see(entry.user, room)
            elif isinstance(entry, RoomCreated) and entry.kind == "public":
                if not self._shown.wait("created"):
                    await self._to_all("created", payloads.view(entry))
            elif isinstance(entry, RoomDeleted) and entry.kind == "public":
                await self._to_all("deleted", {"room": room})
            elif isinstance(entry, MemberModerated) and entry.action in ("mute", "unmute"):
                self._mute(entry.member, room, entry.action == "mute")
            elif isinstance(entry, UserInvited):
                await self._to_user(entry.invitee, "invited", payloads.view(entry))
        try:
            await self._to_room(room, "entries", payloads.entries(room, entries))
        finally:
            if user := gone(entries[-1]):
                await self._see_no_more(user, room)
            elif isinstance(entries[-1], RoomDeleted):  # nothing follows in a room
                await self._close(room)

    async def tell(self, user: str, event: UserNotified | RoomRead | CommandRejected) -> None:
        """Send one user something."""
        await self._to_user(user, TOLD[type(event)], payloads.view(event))

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
        self._replies.sessions_ended(event)
        for sid in self._sids(event.user):
            if (it := self._connections.get(sid)) and it.session in event.sessions:
                await self._sign_out(sid, Reason.of(event))

    async def account_changed(self, event: AccountChanged) -> None:
        """Apply a role or a ban at once."""
        self._replies.account_changed(event)
        for sid in self._sids(event.user):
            if it := self._connections.get(sid):
                it.role = event.role
            if event.banned:
                await self._sign_out(sid, reasons.account_banned())
        await self._to_user(event.user, "role", {"role": event.role})

    async def _sign_out(self, sid: str, reason: Reason) -> None:
        await self._io.emit("signed-out", reason.fields, to=sid)
        await self._io.disconnect(sid)

    def resync(self) -> None:
        """Let every client ask for missed events, once it may see its rooms again.

        The end of a session, a role or a membership may be among what was missed: nobody sees a
        room until that was asked.
        """
        for sid, connection in self._connections.items():
            for room in connection.rooms:
                self._io.manager.basic_leave_room(sid, "/", f"room:{room}")
            connection.rooms.clear()
            self._background.start(self._verify(sid, connection))

    async def _verify(self, sid: str, connection: Connection) -> None:
        while self._connections.get(sid) is connection:
            try:
                async with self._verifying:
                    return await self._let_in_again(sid, connection)
            except NochatError as error:
                log.warning("a socket receives nothing until its rooms are known: %s", error)
                await asyncio.sleep(ASK_AGAIN)

    async def _let_in_again(self, sid: str, connection: Connection) -> None:
        session = await self._replies.who_is(connection.token)
        if not session.user:
            return await self._sign_out(sid, reasons.session_over())
        if connection.role != session.role:
            connection.role = session.role
            await self._io.emit("role", {"role": session.role}, to=sid)
        await self._enter_all(sid, connection.user, await self._replies.rooms(connection.user))
        await self._io.emit("resync", {}, to=sid)

    # ---- what clients say -----------------------------------------------------------------------

    def _receiver(self, action: Action) -> Callable[..., Awaitable[dict[str, Any]]]:
        """Make the socket.io handler: it checks rate and shape, and turns errors into answers."""

        async def receive(sid: str, data: Any = None, *_: Any) -> dict[str, Any]:
            if not (connection := self._connections.get(sid)):
                return _refusal(reasons.socket_closed(), retry=True)
            payer = connection.user, connection.address
            if refusal := self._action_limits.refusal(action, *payer, data):
                return refusal.answer
            try:
                sent = incoming.read(data, action.shape)
                with caused_by(getattr(sent, "client_id", "")):
                    return await action.act(connection, sent, self._bus, self._publish)
            except msgspec.ValidationError as error:
                return _refusal(incoming.why(error))
            except RequestFailed as error:
                return _refusal(error.reason)
            except (NochatError, TimeoutError) as error:
                log.warning("a client was told to try again: %s", error)
                return _refusal(_why_not_now(error), retry=True)
            except Exception:  # whatever it is: without an answer the client would wait
                log.exception("%s failed", action.shape.__name__)
                return _refusal(reasons.failed())

        return receive

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
            raise _no_entry(reasons.socket_unavailable()) from None

    async def _let_in(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        try:
            token = _token(environ["asgi.scope"], self._origins)
            session = await self._replies.who_is(token)
        except NochatError as error:
            log.warning("a connection was refused: %s", error)
            raise _no_entry(reasons.socket_unavailable()) from None
        if not (user := session.user):
            raise _no_entry(reasons.log_in_needed())
        if payloads.believed(auth) not in ("", user):
            # Another tab logged somebody else in: what this one has to send is not theirs.
            raise _no_entry(reasons.socket_other_user())
        if self._most and self._presence.here[user] >= self._most:
            self._throttled_log.say("a user has reached the limit of sockets", user)
            raise _no_entry(reasons.socket_too_many())
        # Nothing is awaited since the answer: what is spread from here on finds the connection.
        self._connections[sid] = Connection(
            user,
            session.role,
            session=session.digest,
            token=token,
            address=address(environ["asgi.scope"]),
            expires=session.expires,
        )
        self._io.charge(sid, user)
        if self._presence.came(user):
            self._background.start(self._report())
        await self._io.enter_room(sid, f"user:{user}")
        self._background.start(self._receive(sid, session, payloads.positions(auth)))

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        if connection := self._connections.pop(sid, None):
            await self._gone(sid, connection, reason)

    async def _gone(self, sid: str, connection: Connection, reason: str) -> None:
        seconds = round(time.monotonic() - connection.since, 3)
        try:
            await self._publish(UserDisconnected(connection.user, sid, self.name, seconds, reason))
        except Exception as error:
            log.warning("a disconnect can't be announced: %r", error)
        if self._presence.went(connection.user):
            await self._report()

    async def _receive(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Welcome a new socket; where that fails, close it, as its client then tries again."""
        try:
            await self._publish(UserConnected(session.user, sid, self.name))
            await self._welcome(sid, session, positions)
        except Exception as error:
            unexpected = None if isinstance(error, NochatError | TimeoutError) else error
            log.warning("a socket is closed, as its welcome failed: %s", error, exc_info=unexpected)
            await self._io.disconnect(sid)

    async def _welcome(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Let a socket see its rooms, then send it the missed events."""
        user = session.user
        rooms = await self._replies.rooms(user)
        mine = await self._enter_all(sid, user, rooms)
        if connection := self._connections.get(sid):  # the role may have changed since
            session = msgspec.structs.replace(session, role=connection.role)
        online = sorted(self._presence.users)
        await self._io.emit("welcome", payloads.welcome(session, rooms, online), to=sid)
        for each in mine:
            # What was spread since the list of rooms was made, this socket has not seen either.
            last = max(each.position, self._replies.latest.get(each.room, 0))
            seen = positions.get(each.room, each.position)
            if seen < last and self._sees(sid, each.room):
                await self._catch_up(sid, user, each.room, seen)

    async def _catch_up(self, sid: str, user: str, room: str, seen: int) -> None:
        page = GetHistory(user=user, room=room, after=seen, limit=MISSED)
        try:
            missed = await self._bus.request(page)
        except RequestFailed:  # the user is a member no longer
            return
        if self._sees(sid, room):
            await self._io.emit("entries", payloads.history(missed), to=sid)

    async def _enter_all(
        self, sid: str, user: str, rooms: Iterable[RoomSummary]
    ) -> list[RoomSummary]:
        """Let a socket see those of the rooms that its user is in; returns them."""
        mine = [each for each in rooms if user in each.members]
        for each in mine:
            self._note_muted(user, each)
            await self._enter(sid, each.room)
        return mine

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
        """Send a user the summary of a room; the next welcome does it too."""
        with suppress(NochatError):
            for each in await self._replies.rooms(user, room):
                self._note_muted(user, each)
                await self._to_user(user, "room", payloads.summary(each))

    def _note_muted(self, user: str, room: RoomSummary) -> None:
        self._mute(user, room.room, user in room.muted)

    def _mute(self, user: str, room: str, on: bool) -> None:
        """Note that a user is muted in a room, or is not: leaving it changes nothing about that."""
        for sid in self._sids(user):
            if it := self._connections.get(sid):
                (it.muted.add if on else it.muted.discard)(room)

    async def _leave(self, sid: str, room: str) -> None:
        if connection := self._connections.get(sid):
            connection.rooms.discard(room)
        await self._io.leave_room(sid, f"room:{room}")

    async def _see_no_more(self, user: str, room: str) -> None:
        for sid in self._sids(user):
            await self._leave(sid, room)

    async def _close(self, room: str) -> None:
        """Take everybody out of a room that is gone."""
        for sid, connection in list(self._connections.items()):
            if room in connection.rooms:
                await self._leave(sid, room)

    def _sids(self, user: str) -> list[str]:
        return [sid for sid, _ in self._io.manager.get_participants("/", f"user:{user}")]

    # ---- presence -------------------------------------------------------------------------------

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report presence until the block ends; then close every socket."""
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
                log.exception("the report of presence failed")
            await asyncio.sleep(REPORT_EVERY)

    async def _expire(self) -> None:
        """Keep a socket's session from being idle, and close the socket when the session ends."""
        over: set[str] = set()
        with suppress(NochatError):  # the next report says it all again
            over = await self._in_use.over(it.session for it in self._connections.values())
        now = time.time()
        ended = [
            sid for sid, it in self._connections.items() if it.expires < now or it.session in over
        ]
        for sid in ended:
            await self._sign_out(sid, reasons.session_over())

    async def _report(self) -> None:
        report = PresenceReported(self.name, sorted(self._presence.here))
        with suppress(NochatError):  # the next report says it all again
            await self._bus.publish(report)


def _refusal(reason: Reason, *, retry: bool = False) -> dict[str, Any]:
    """Return the answer to a forbidden action."""
    return reason.answer | {"retry": retry}


def _why_not_now(error: Exception) -> Reason:
    """Return the client's answer to an error that names servers, which is for the log."""
    if isinstance(error, TimeoutError):  # of a confirm
        return reasons.timed_out("bus", PUBLISH_TIMEOUT)
    reason = error.reason if isinstance(error, Unavailable) else None
    return reason or reasons.unavailable("bus")


def _no_entry(reason: Reason) -> Exception:
    """Return the error by which socket.io refuses a connection."""
    told = {"code": reason.code, "params": reason.params}
    error: Exception = socketio.exceptions.ConnectionRefusedError(str(reason), told)
    return error


def _token(scope: Scope, further: Collection[Origin]) -> str:
    sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    try:
        cookies = SimpleCookie(sent.decode("latin1"))
    except CookieError:
        return ""
    names = cookie_names(scope, further)
    return next((cookies[name].value[:MOST_TOKEN] for name in names if name in cookies), "")
