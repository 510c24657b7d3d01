"""Waiting, as everything in the course does it.

After two seconds a notice says what is awaited. An interrupt ends the wait, and nothing else. The
error after a timeout says what to do.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import copy_context
from typing import Any

import psutil

from nochat.lab.board import medium
from nochat.lab.errors import GaveUp
from nochat.lab.interrupt import interruptible
from nochat.local import processes
from nochat.local.processes import ChildProcess, NotReady

SILENT = 2.0  # seconds before the first notice
LONGEST = 300.0  # seconds that a busy process may take
AT_WORK = 0.05  # of one processor: more than an idle server uses
LINES = 12  # of a log, shown in an error
IN_ORDER = "run the cells above this one again, in order"


class Times(dict[str, float]):
    """The seconds that steps took, by the name of the step."""

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time a step, which the body of `with` does."""
        began = time.monotonic()
        yield
        self[step] = time.monotonic() - began


class Notice:
    """A notice of a wait, shown if it takes more than two seconds.

    Args:
        what: what is awaited.
        quiet: show nothing.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what, self._quiet = what, quiet
        self._began, self._next = time.monotonic(), SILENT
        self._show: Any = None

    @property
    def seconds(self) -> float:
        """The seconds that the wait has taken so far."""
        return time.monotonic() - self._began

    def look(self) -> None:
        """Show the notice after two seconds, then after four, after eight, and so on."""
        if self.seconds < self._next or self._quiet:
            return
        self._next *= 2
        self._say(f"waiting for {self._what}, {self.seconds:.0f} s so far (Interrupt ends it)")

    def end(self) -> None:
        """Show how long the wait was, if a notice was shown before."""
        if self._show:
            self._say(f"waited {self.seconds:.1f} s for {self._what}")

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """Show the notice from the event loop while the block runs."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(SILENT, lambda: look())

        def look() -> None:
            nonlocal timer
            self.look()
            timer = loop.call_later(max(0.1, self._next - self.seconds), look)

        try:
            yield
        finally:
            timer.cancel()
            self.end()

    def _say(self, text: str) -> None:
        self._show = self._show or medium()
        self._show({"": text}, "")


@contextmanager
def blocking(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show a notice while the block waits for a blocking call, such as a command."""
    notice = Notice(what, quiet=quiet)
    timer = threading.Timer(SILENT + 0.01, copy_context().run, [notice.look])
    timer.daemon = True
    timer.start()
    try:
        with interruptible():
            yield
    finally:
        timer.cancel()
        timer.join()  # what it is just showing comes before the end
        notice.end()


@asynccontextmanager
async def patience(
    what: str, seconds: float | None, otherwise: str | Callable[[], str] = IN_ORDER
) -> AsyncIterator[None]:
    """Show a notice while the block waits, and limit its time.

    Args:
        what: what is awaited.
        seconds: the limit; None for no limit.
        otherwise: the advice after a timeout, or a function that returns it.

    Raises:
        GaveUp: the time is up.
    """
    with Notice(what).in_loop():
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if limit.expired():
                advice = otherwise if isinstance(otherwise, str) else otherwise()
                raise GaveUp(_sentence(what, seconds or 0, advice)) from None
            raise


def until(
    probe: Callable[[], Any],
    seconds: float,
    what: str,
    otherwise: str = IN_ORDER,
    *,
    pause: float = 0.05,
) -> Any:
    """Poll a probe until its value is true; return the value.

    Args:
        probe: the function to call.
        seconds: the limit.
        what: what is awaited.
        otherwise: the advice after a timeout.
        pause: seconds between two calls.

    Raises:
        GaveUp: the time is up.
    """
    notice = Notice(what)

    def answer() -> Any:
        notice.look()
        return probe()

    try:
        with interruptible():
            answered = processes.until(answer, seconds, pause=pause)
    finally:
        notice.end()
    if not answered:
        raise GaveUp(_sentence(what, seconds, otherwise))
    return answered


def until_ready(
    ready: Callable[[], bool],
    seconds: float,
    what: str,
    child: ChildProcess,
    *,
    quiet: bool = False,
) -> None:
    """Wait until a process is ready; a busy process may exceed its time.

    Args:
        ready: returns whether it is ready.
        seconds: the limit, extended while the process is busy, as on a slow machine.
        what: its name.
        child: the process.
        quiet: print nothing.

    Raises:
        NotReady: it has ended or is idle; the message has the end of its log.
    """
    notice, work = Notice(what, quiet=quiet), _Work(child)
    give_up = seconds

    def answer() -> bool:
        nonlocal give_up
        if ready():
            return True
        if not child.alive:
            raise NotReady(f"{what} ended before it was ready. {_last_words(child)}")
        if notice.seconds > give_up:
            give_up = _go_on(notice, work, what, child, seconds)
        notice.look()
        return False

    try:
        with interruptible():
            processes.until(answer, pause=0.02, longest=0.2)
    finally:
        notice.end()


def _go_on(notice: Notice, work: "_Work", what: str, child: ChildProcess, seconds: float) -> float:
    """Return the extended limit of a wait.

    Raises:
        NotReady: the process is idle, or has taken too long.
    """
    passed = f"{what} is not ready after {notice.seconds:.3g} s"
    if not work.goes_on():
        raise NotReady(f"{passed}: it runs, but does nothing. {_last_words(child)}")
    if notice.seconds > max(LONGEST, seconds):
        raise NotReady(
            f"{passed}, although it is working. Close what else keeps this machine busy, and run "
            f"the cell again. {_last_words(child)}"
        )
    return notice.seconds + seconds / 3


class _Work:
    """The processor time of a process and its descendants, which shows whether they are busy."""

    def __init__(self, child: ChildProcess) -> None:
        self._child = child
        self._at, self._used = time.monotonic(), self._seconds()

    def goes_on(self) -> bool:
        """Return whether they have been busy since the last call."""
        now, used = time.monotonic(), self._seconds()
        share = (used - self._used) / max(now - self._at, 0.001)
        self._at, self._used = now, used
        return share > AT_WORK

    def _seconds(self) -> float:
        """Return the processor time that they have used, in seconds."""
        used = 0.0
        with suppress(psutil.Error):
            first = psutil.Process(self._child.pid)
            for process in (first, *first.children(recursive=True)):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    used += times.user + times.system
        return used


def _sentence(what: str, seconds: float, otherwise: str) -> str:
    return f"waited {seconds:g} s for {what}, in vain. To do: {otherwise}."


def _last_words(child: ChildProcess) -> str:
    said = readable(child.tail(200))
    return f"It said last:\n{said}" if said else "It said nothing."


def readable(log: str, count: int = LINES) -> str:
    """Return the end of a log in readable form: JSON as text, without trace lines."""
    lines = (_text(line) for line in log.splitlines())
    return "\n".join([line for line in lines if line][-count:])


def _text(line: str) -> str:
    try:
        entry = json.loads(line)
        level, message = entry["level"], entry["message"]
    except (ValueError, TypeError, KeyError):
        return line.rstrip()
    if level == "debug":
        return ""
    reason = str(entry.get("exception", "")).strip().rpartition("\n")[2]
    return f"{level}: {message}" + (f" ({reason})" if reason else "")
