"""A bounded thread pool for costly work, which rejects calls that would wait long."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nochat.errors import Busy
from nochat.protocol.reasons import Reason

_T = TypeVar("_T")


class BoundedPool:
    """A bounded number of threads, and a bounded queue before them.

    Args:
        reason: the reason for rejected calls.
        threads: calls that run at a time.
        most: calls that may wait for a thread.
        patience: seconds that a call may wait.
    """

    def __init__(
        self, reason: Reason, threads: int = 2, most: int = 64, patience: float = 1.0
    ) -> None:
        self._reason, self._room, self._patience = reason, threads + most, patience
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="nochat-pool")

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a function in a thread.

        Raises:
            Busy: too many calls wait, or its turn came too late.
        """
        if self._room <= 0:
            raise self._busy()
        came = time.monotonic()

        def turn() -> _T:
            if time.monotonic() - came > self._patience:
                raise self._busy()
            return function(*arguments)

        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, turn)
        finally:
            self._room += 1

    def close(self) -> None:
        """Stop the threads after their current work."""
        self._threads.shutdown(cancel_futures=True)

    def _busy(self) -> Busy:
        return Busy(self._reason, self._patience)
