"""Background tasks: each has an owner that keeps a reference, and failures are logged."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

AGAIN = 1.0  # seconds until a task that still runs is cancelled again


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended: pymongo may swallow a cancellation.

    Raises:
        Exception: the error that the task raised instead.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)
    if not task.cancelled():
        task.result()


class Background:
    """The tasks of one owner.

    Args:
        tolerated: errors that are not logged.
    """

    def __init__(self, *tolerated: type[Exception]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._tolerated = tolerated

    def start(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """Start a task, which nobody has to await."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel all running tasks."""
        for task in [*self._tasks]:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, self._tolerated):
            log.error("%s failed", task.get_name(), exc_info=error)
