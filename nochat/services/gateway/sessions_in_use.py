"""Sessions in use: a session with an open socket does not end as idle."""

import time
from collections.abc import Iterable
from itertools import islice

from nochat.bus import Bus
from nochat.protocol.requests import KeepSessions
from nochat.settings import Settings

EVERY = 60.0  # seconds between two reports
MOST = 500  # sessions in one request


class SessionsInUse:
    """The sessions with an open socket here, reported to `users` periodically."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._every = min(EVERY, settings.idle_hours * 3600 / 4 or EVERY)
        self._next = time.monotonic() + self._every

    async def over(self, sessions: Iterable[str]) -> set[str]:
        """Report the sessions, if a report is due; return those that have ended.

        Raises:
            Unavailable: `users` does not answer; the next report is complete again.
        """
        if time.monotonic() < self._next:
            return set()
        self._next = time.monotonic() + self._every
        left, ended = iter(set(sessions)), set[str]()
        while some := list(islice(left, MOST)):
            answer = await self._bus.request(KeepSessions(sessions=some))
            ended.update(answer.sessions)
        return ended
