"""The Interrupt button, while a cell blocks."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def interruptible() -> Iterator[None]:
    """Let an interrupt reach code that blocks in a cell with `await`.

    IPython's own handler asks the event loop to cancel such a cell, which has no effect while the
    cell blocks the loop.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or not _in_task():
        yield
        return
    before = signal.signal(signal.SIGINT, _cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _cancel(*_: object) -> None:
    # Like the loop's own cancellation. A KeyboardInterrupt in a task would end the loop itself.
    raise asyncio.CancelledError


def _in_task() -> bool:
    with suppress(RuntimeError):
        return asyncio.current_task() is not None
    return False
