"""Things that a thread makes. It can't be cancelled: a stop waits for it, and undoes its work."""

from asyncio import ensure_future, shield, to_thread, wait
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def made_in_thread(make: Callable[[], T], undo: Callable[[T], object]) -> AsyncIterator[T]:
    """Yield what a thread makes, and undo it at the end: also if it is ready after a cancellation.

    Args:
        make: makes it, in a thread.
        undo: undoes it, in a thread.

    Raises:
        Exception: what `make` or `undo` raises.
    """
    making = ensure_future(to_thread(make))
    try:
        yield await shield(making)
    finally:
        await wait([making])
        if not making.exception():
            await to_thread(undo, making.result())
