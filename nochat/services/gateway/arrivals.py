"""Connecting and disconnecting sockets: a new one gets its rooms and the events it missed."""

import logging
import time
from typing import Any

import msgspec

from nochat.bus import Bus
from nochat.engine import ConnectionRefusedError
from nochat.errors import NochatError, RequestFailed
from nochat.protocol import payloads, reasons
from nochat.protocol.events import UserConnected, UserDisconnected
from nochat.protocol.requests import GetHistory, Session
from nochat.runtime.background import Background
from nochat.runtime.rate_limits import address
from nochat.services.gateway.confirmed import publish_confirmed
from nochat.services.gateway.connections import Connection, Connections
from nochat.services.gateway.current_replies import CurrentReplies
from nochat.services.gateway.handshake import Cookies, Handshake, no_entry
from nochat.services.gateway.presence_reports import PresenceReports

log = logging.getLogger(__name__)

MISSED = 200  # entries of a room sent to a returning client, which can request more


class Arrivals:
    """The handlers for new and closed sockets."""

    def __init__(
        self,
        bus: Bus,
        connections: Connections,
        replies: CurrentReplies,
        presence: PresenceReports,
        cookies: Cookies,
        handshake: Handshake,
        background: Background,
    ) -> None:
        self._bus, self._connections, self._replies = bus, connections, replies
        self._presence, self._cookies, self._handshake = presence, cookies, handshake
        self._background = background

    async def connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Accept or refuse a socket; called by Socket.IO."""
        try:
            await self._let_in(sid, environ, auth)
        except ConnectionRefusedError:
            raise
        except Exception:
            log.exception("a connection is refused")
            self._connections.pop(sid)
            raise no_entry(reasons.socket_unavailable()) from None

    async def _let_in(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        scope = environ["asgi.scope"]
        token = self._cookies.token(scope)
        session = await self._handshake.session(token, payloads.believed(auth))
        # Without an await since the answer: events from here on find the connection.
        connection = Connection(
            session.user,
            session.role,
            session=session.digest,
            token=token,
            address=address(scope),
            expires=session.expires,
        )
        self._connections.add(sid, connection)
        self._presence.came(session.user)
        self._background.start(self._receive(sid, session, payloads.positions(auth)))

    async def disconnect(self, sid: str, reason: str = "") -> None:
        """Handle the end of a socket; called by Socket.IO."""
        if connection := self._connections.pop(sid):
            await self._gone(sid, connection, reason)

    async def end_all(self, reason: str) -> None:
        """Handle the end of all sockets when the gateway stops."""
        for sid, _ in self._connections.all():
            await self.disconnect(sid, reason)

    async def _gone(self, sid: str, connection: Connection, reason: str) -> None:
        seconds = round(time.monotonic() - connection.since, 3)
        gateway = self._presence.gateway
        try:
            end = UserDisconnected(connection.user, sid, gateway, seconds, reason)
            await publish_confirmed(self._bus, end)
        except Exception as error:
            log.warning("the end of a socket can't be reported: %r", error)
        self._presence.went(connection.user)

    async def _receive(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Welcome a new socket; if that fails, close it, so that its client reconnects."""
        try:
            start = UserConnected(session.user, sid, self._presence.gateway)
            await publish_confirmed(self._bus, start)
            await self._welcome(sid, session, positions)
        except Exception as error:
            unexpected = None if isinstance(error, NochatError | TimeoutError) else error
            log.warning("a socket is closed: no welcome: %s", error, exc_info=unexpected)
            await self._connections.disconnect(sid)

    async def _welcome(self, sid: str, session: Session, positions: dict[str, int]) -> None:
        """Add a socket to its rooms, then send it the events that it missed."""
        rooms = await self._replies.rooms(session.user)
        own = self._connections.admit(sid, rooms)
        if connection := self._connections.get(sid):  # the role may have changed since
            session = msgspec.structs.replace(session, role=connection.role)
        welcome = payloads.welcome(session, rooms, self._presence.online)
        await self._connections.to_socket(sid, "welcome", welcome)
        for room in own:
            # The socket has not received events sent since the list of rooms was made, either.
            last = max(room.position, self._replies.latest.get(room.room, 0))
            seen = positions.get(room.room, room.position)
            if seen < last and self._connections.sees(sid, room.room):
                await self._catch_up(sid, session.user, room.room, seen)

    async def _catch_up(self, sid: str, user: str, room: str, seen: int) -> None:
        page = GetHistory(user=user, room=room, after=seen, limit=MISSED)
        try:
            missed = await self._bus.request(page)
        except RequestFailed:  # the user is no longer a member
            return
        if self._connections.sees(sid, room):
            await self._connections.to_socket(sid, "entries", payloads.history(missed))
