"""Publishing with a timeout on the broker's confirm."""

import asyncio
from collections.abc import Callable
from typing import Any

from nochat.bus import Bus
from nochat.protocol.envelope import Envelope

PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm

Answer = dict[str, Any]


async def publish_confirmed(bus: Bus, *events: Envelope) -> None:
    """Publish events; return when the broker has confirmed them.

    Raises:
        TimeoutError: the broker does not confirm in time.
    """
    async with asyncio.timeout(PUBLISH_TIMEOUT):
        await bus.publish(*events)


class Confirms:
    """The clients that wait for a confirm, with one callback for each batch and one timer.

    Args:
        bus: publishes the events.
        refusal: returns the answer to a client whose event is not confirmed.
    """

    def __init__(self, bus: Bus, refusal: Callable[[BaseException], Answer]) -> None:
        self._bus, self._refusal = bus, refusal
        self._together: dict[asyncio.Future[None], list[asyncio.Future[Answer]]] = {}
        self._deadlines: dict[asyncio.Future[Answer], float] = {}  # in order
        self._timer: asyncio.TimerHandle | None = None

    def publish(self, event: Envelope) -> asyncio.Future[Answer]:
        """Publish an event; the future's result is the client's answer: empty, or a refusal."""
        loop = asyncio.get_running_loop()
        confirm = self._bus.send(event)
        answer: asyncio.Future[Answer] = loop.create_future()
        if (answers := self._together.get(confirm)) is None:
            answers = self._together[confirm] = []
            confirm.add_done_callback(self._confirmed)
        answers.append(answer)
        self._deadlines[answer] = loop.time() + PUBLISH_TIMEOUT
        if not self._timer:
            self._timer = loop.call_later(PUBLISH_TIMEOUT, self._expire)
        return answer

    def _confirmed(self, confirm: asyncio.Future[None]) -> None:
        error = TimeoutError() if confirm.cancelled() else confirm.exception()
        for answer in self._together.pop(confirm):
            self._give(answer, self._refusal(error) if error else {})

    def _give(self, answer: asyncio.Future[Answer], given: Answer) -> None:
        self._deadlines.pop(answer, None)
        if not answer.done():
            answer.set_result(given)

    def _expire(self) -> None:
        """Answer the clients whose time limit has passed; set the timer for the next one."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        for answer, deadline in list(self._deadlines.items()):
            if deadline > now:
                self._timer = loop.call_at(deadline, self._expire)
                break
            self._give(answer, self._refusal(TimeoutError()))
