"""Packets of one turn of the event loop go out together: one write for each client."""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nochat.engine.packets import Outgoing

if TYPE_CHECKING:
    from nochat.engine.session import EngineSession

log = logging.getLogger(__name__)


class Outbox:
    """The sessions for which packets wait until this turn of the event loop ends."""

    def __init__(self) -> None:
        self._due: list[EngineSession] = []

    def put(self, sessions: Iterable["EngineSession"], packets: list[Outgoing]) -> None:
        """Send packets to sessions, in the order of the calls."""
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
            except Exception:  # the others are due all the same
                log.exception("a session could not be written to")
                session.evict("it could not be written to")
