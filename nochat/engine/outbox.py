"""Packets of one turn of the event loop, sent together: one write for each client."""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nochat.engine.packets import Outgoing

if TYPE_CHECKING:
    from nochat.engine.session import EngineSession

log = logging.getLogger(__name__)


class Outbox:
    """The sessions with packets to send at the end of this turn of the event loop."""

    def __init__(self) -> None:
        self._due: list[EngineSession] = []

    def put(self, sessions: Iterable["EngineSession"], packets: list[Outgoing]) -> None:
        """Queue packets for sessions, in the order of the calls."""
        due = self._due
        if not due:
            asyncio.get_running_loop().call_soon(self._flush)
        for session in sessions:
            if not session.due:
                session.due = True
                due.append(session)
            session.pending += packets

    def _flush(self) -> None:
        due, self._due = self._due, []
        for session in due:
            session.due = False
            try:
                session.flush()
            except Exception:  # the others must be flushed all the same
                log.exception("a session could not be written to")
                session.evict("it could not be written to")
