"""Checks of the rights of open sockets, after an outage of the bus and for ended sessions."""

import asyncio
import logging
import time
from contextlib import suppress

from nochat.errors import NochatError
from nochat.protocol import reasons
from nochat.runtime.background import Background
from nochat.services.gateway.connections import Connection, Connections
from nochat.services.gateway.current_replies import CurrentReplies
from nochat.services.gateway.sessions_in_use import SessionsInUse

log = logging.getLogger(__name__)

ASK_AGAIN = 1.0  # seconds until a failed verification is retried
MOST_VERIFIED = 20  # sockets at once


class Verification:
    """The verification of one gateway's sockets: their sessions and rooms."""

    def __init__(
        self,
        connections: Connections,
        replies: CurrentReplies,
        in_use: SessionsInUse,
        background: Background,
    ) -> None:
        self._connections, self._replies, self._in_use = connections, replies, in_use
        self._background = background
        self._verifying = asyncio.Semaphore(MOST_VERIFIED)

    def resync(self) -> None:
        """Tell every client to request missed events, after its rights are verified.

        The missed events may include the end of a session, a role or a membership: no socket sees a
        room until its rights are verified.
        """
        for sid, connection in self._connections.all():
            self._connections.leave_all(sid)
            self._background.start(self._verify(sid, connection))

    async def _verify(self, sid: str, connection: Connection) -> None:
        while self._connections.get(sid) is connection:
            try:
                async with self._verifying:
                    return await self._let_in_again(sid, connection)
            except NochatError as error:
                log.warning("a socket gets no events until its rights are known: %s", error)
                await asyncio.sleep(ASK_AGAIN)

    async def _let_in_again(self, sid: str, connection: Connection) -> None:
        session = await self._replies.who_is(connection.token)
        if not session.user:
            return await self._connections.sign_out(sid, reasons.session_over())
        if connection.role != session.role:
            connection.role = session.role
            await self._connections.to_socket(sid, "role", {"role": session.role})
        self._connections.admit(sid, await self._replies.rooms(connection.user))
        await self._connections.to_socket(sid, "resync", {})

    async def expire(self) -> None:
        """Close the sockets of ended sessions; keep the other sessions from becoming idle."""
        connections, over = self._connections.all(), set[str]()
        with suppress(NochatError):  # the next report is complete again
            over = await self._in_use.over(connection.session for _, connection in connections)
        now = time.time()
        for sid, connection in self._connections.all():
            if connection.expires < now or connection.session in over:
                await self._connections.sign_out(sid, reasons.session_over())
