"""The supervisor of a command that must not outlive its owner; `processes` runs it as a script.

Its standard input is a pipe from the owner: a byte is an order, and the end of the file means that
the owner has ended. It then stops the command and all its descendants, runs the script that cleans
up after it, and removes its folder.

It imports nothing but the standard library, so that it starts in about 40 ms.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

START, KILL = b"s", b"k"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NESTED_SECONDS = 10.0
LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None) if LINUX else None


def _prctl(option: int, value: int) -> None:
    if LIBC:
        LIBC.prctl(option, value, 0, 0, 0)


def _die_with_supervisor() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reap(*_: Any) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _leave(*_: Any) -> None:
    sys.exit()


def _parents() -> Iterator[tuple[int, int]]:
    """Yield each living process with its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = (
                stat.read_text(errors="replace", encoding="utf-8").rpartition(")")[2].split()[:2]
            )
            if state not in "ZX":
                yield int(stat.parent.name), int(parent)


def _is_supervisor(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return __file__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


def _descendants(spare: bool) -> set[int]:
    """Return the descendants of this process: as a subreaper, it inherits daemons as well.

    Args:
        spare: leave out other supervisors and their commands.
    """
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    pids: set[int] = set()
    look_at = [os.getpid()]
    while look_at:
        new = children.get(look_at.pop(), [])
        new = [pid for pid in new if not (spare and _is_supervisor(pid))]
        pids.update(new)
        look_at += new
    return pids


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class _Supervisor:
    """The supervisor of a command: it starts and stops the command."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.command: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the command; return its process id, or the reason why it can't be run."""
        try:
            self.command = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                preexec_fn=_die_with_supervisor,
            )
        except OSError as error:
            return f"can't run {self.argv[0]}: {error.strerror}"
        return str(self.command.pid)

    def running(self, spare: bool = False) -> set[int]:
        """Return the running processes; without Linux's /proc, the command alone."""
        if LINUX:
            return _descendants(spare)
        return {self.command.pid} if self.command and self.command.poll() is None else set()

    def ask_to_end(self, seconds: float, spare: bool = False) -> None:
        """Send SIGTERM once to each process, including new ones, and wait for their end."""
        asked: set[int] = set()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (left := self.running(spare)):
            _send(signal.SIGTERM, left - asked)
            asked |= left
            time.sleep(0.02)

    def kill(self, spare: bool = False) -> None:
        """Send SIGKILL to the processes, repeatedly, as they may fork meanwhile."""
        while left := self.running(spare):
            _send(signal.SIGKILL, left)
            time.sleep(0.01)

    def end(self, grace: float) -> None:
        """Stop all processes; return when they have ended."""
        # Commands of nested supervisors end later: a chat that stops still needs its store.
        self.ask_to_end(grace, spare=True)
        self.kill(spare=True)
        # Nested supervisors notice that their owner has ended, and have folders to remove.
        self.ask_to_end(NESTED_SECONDS)
        self.kill()


def _orders() -> Iterator[bytes]:
    """Yield the orders until the owner has ended."""
    # A signal that arrives just before select() would be handled only after it, maybe never.
    signalled, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    watched = [0, signalled]
    # A fork of the owner (a multiprocessing worker) may outlive it with the pipe still open.
    with contextlib.suppress(AttributeError, OSError):
        watched.append(os.pidfd_open(os.getppid()))
    while True:
        ready = select.select(watched, [], [])[0]
        if signalled in ready:
            os.read(signalled, 512)
        elif ready == [0] and (order := os.read(0, 1)):
            yield order
        else:
            return


def _supervise(grace: float, remove: str, after: str, argv: list[str]) -> None:
    """Execute orders, then stop the command, clean up after it and remove the folder."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    supervisor = _Supervisor(argv)
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGTERM, _leave)
    try:
        for order in _orders():
            supervisor.end(0)
            answer = supervisor.start() if order == START else "killed"
            os.write(1, f"{answer}\n".encode())
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.end(grace)
        if after:
            cleaning = ["/bin/sh", "-c", after]
            subprocess.run(cleaning, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
            supervisor.kill()
        if remove:
            shutil.rmtree(remove, ignore_errors=True)


if __name__ == "__main__":
    _supervise(float(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[5:])
