"""Context managers that are entered concurrently and exited one by one, each in its own task.

Each is entered and exited in the same task: task groups and timeouts require that.
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
    """Enter context managers concurrently; exit them in reverse order when the block ends.

    Args:
        openings: functions that return the context managers.
        failed: called with the error of a context manager that ends early.

    Raises:
        BaseException: the error of the first that fails; the others are exited then.
    """
    async with AsyncExitStack() as stack:
        lifetimes = [Lifetime(opening, failed) for opening in openings]
        for lifetime in lifetimes:
            stack.push_async_callback(lifetime.end)
        yield await asyncio.gather(*(lifetime.opened() for lifetime in lifetimes))


class Lifetime(Generic[T]):
    """A task that enters a context manager, waits for `end`, and exits it."""

    def __init__(self, opening: Opening[T], failed: Callable[[BaseException], None]) -> None:
        self._opening, self._failed = opening, failed
        self._over = asyncio.Event()
        self._opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())

    async def opened(self) -> T:
        """Wait until the context manager is entered; return its value.

        Raises:
            BaseException: the error that it raises instead.
        """
        either: list[asyncio.Future[Any]] = [self._task, self._opened]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            await self._task
        return await self._opened

    async def end(self) -> None:
        """Exit the context manager, or cancel its entering.

        Raises:
            BaseException: the error that it raises on exit.
        """
        if self._task.done():
            return  # its error was already reported
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
