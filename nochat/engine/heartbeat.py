"""Pings for all sessions, from one timer."""

import asyncio
from collections import deque

from nochat.engine.packets import Outgoing
from nochat.engine.session import EngineSession


class Heartbeat:
    """The pings of all sessions; a session without an answer in time is closed.

    Args:
        interval: seconds from a session's last answer to its next ping.
        timeout: seconds for the answer.
    """

    _PING = Outgoing(b"2")

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval, self.timeout = interval, timeout
        # All sessions wait for the same time, so both queues are in the order of their deadlines.
        self._pings: deque[tuple[float, EngineSession]] = deque()
        self._pongs: deque[tuple[float, EngineSession]] = deque()
        self._tick = timeout / 200  # allowed delay of a ping, so that the timer fires less often
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, session: EngineSession) -> None:
        """Schedule the next ping of a session that has just opened or answered."""
        loop = asyncio.get_running_loop()
        session.overdue = 0.0
        self._pings.append((loop.time() + self.interval, session))
        if self._timer is None:
            self._timer = loop.call_later(self.interval, self._beat, loop)

    def stop(self) -> None:
        """Stop all pings."""
        if self._timer:
            self._timer.cancel()
        self._pings.clear()
        self._pongs.clear()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._pongs and self._pongs[0][0] <= now:
            due, session = self._pongs.popleft()
            if session.overdue == due:
                session.close("ping timeout")
        while self._pings and self._pings[0][0] <= now:
            session = self._pings.popleft()[1]
            if not session.closed:
                session.overdue = now + self.timeout
                session.send([self._PING])
                self._pongs.append((session.overdue, session))
        # A session that answers from now on is due after the interval, and none earlier.
        firsts = [queue[0][0] for queue in (self._pings, self._pongs) if queue]
        again = max(min(*firsts, now + self.interval), now + self._tick) if firsts else 0.0
        self._timer = loop.call_at(again, self._beat, loop) if firsts else None
