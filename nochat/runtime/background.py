"""Tasks in the background: somebody holds each of them, and what one fails at is in the log."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

AGAIN = 1.0  # seconds until a task that goes on is cancelled again


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: pymongo may take one cancellation for itself.

    Raises:
        Exception: what the task raised instead.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)
    if not task.cancelled():
        task.result()


class Background:
    """The tasks of one owner.

    Args:
        tolerated: errors that are no failure of ours.
    """

    def __init__(self, *tolerated: type[Exception]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._tolerated = tolerated

    def start(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """Run something; nobody need wait for it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """End what still runs."""
        for task in [*self._tasks]:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, self._tolerated):
            log.error("%s failed", task.get_name(), exc_info=error)
