"""Several things that are opened side by side and closed one by one, each in a task of its own.

What is opened in a task is closed in it: task groups and time limits ask for that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Opening = Callable[[], AbstractAsyncContextManager[T]]


@asynccontextmanager
async def side_by_side(
    openings: Sequence[Opening[T]], failed: Callable[[BaseException], None]
) -> AsyncIterator[list[T]]:
    """Open all at the same time, and close them when the block ends: one by one, the last first.

    Args:
        openings: what makes the context managers to enter.
        failed: called with the error of one that ends before it is told to.

    Raises:
        BaseException: what the first to fail raised; the others are closed then.
    """
    async with AsyncExitStack() as stack:
        lifetimes = [Lifetime(opening, failed) for opening in openings]
        for lifetime in lifetimes:
            stack.push_async_callback(lifetime.end)
        yield await asyncio.gather(*(lifetime.opened() for lifetime in lifetimes))


class Lifetime(Generic[T]):
    """A task that enters a context manager, waits until it is told to end, and leaves it."""

    def __init__(self, opening: Opening[T], failed: Callable[[BaseException], None]) -> None:
        self._opening, self._failed = opening, failed
        self._over = asyncio.Event()
        self._opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())

    async def opened(self) -> T:
        """Return what the context manager gives, when it does.

        Raises:
            BaseException: what it raises instead.
        """
        either: list[asyncio.Future[Any]] = [self._task, self._opened]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            await self._task
        return await self._opened

    async def end(self) -> None:
        """Leave the context manager; while it is being entered, that is cancelled.

        Raises:
            BaseException: what it raises on leaving.
        """
        if self._task.done():
            return  # what it raised was told already
        self._over.set()
        if not self._opened.done():
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise

    async def _live(self) -> None:
        try:
            async with self._opening() as given:
                self._opened.set_result(given)
                await self._over.wait()
        except (Exception, asyncio.CancelledError) as error:
            if self._over.is_set() or not self._opened.done():
                raise
            self._failed(error)
