"""A child process that can't outlive us, whatever ends us: `stop()`, a crash or `kill -9`.

Between us and the command stands a small supervisor, this very file run as a script. It lives in a
session of its own, so the Interrupt button of a notebook does not reach it. Its standard input is
a pipe from us: a byte is an order, and the end of the file means that we are gone. It then ends
the command with all that came of it, and removes the folder that it was told to own.
"""

import contextlib
import ctypes
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START, KILL = b"s", b"k"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None) if LINUX else None

# Losing the last reference to a `Kept` must not stop a server that a notebook still talks to.
_kept: "set[Kept]" = set()


class NotReady(RuntimeError):
    """A command did not start, ended too early, or took too long to answer."""


class Kept:
    """A command that lives no longer than this process.

    Attributes:
        pid: process id of the command (the supervisor's is another).
        log: file with what the command wrote on its standard output and error.
    """

    def __init__(self, supervisor: subprocess.Popen[bytes], log: Path, remove: Path | None) -> None:
        self.log = log
        self._supervisor, self._remove = supervisor, remove
        self.pid = self._start()
        _kept.add(self)

    @property
    def alive(self) -> bool:
        """Whether the command is running."""
        if self._supervisor.poll() is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """End the command and its descendants with SIGKILL, as a crash would; the folder stays.

        Raises:
            NotReady: the supervisor is gone.
        """
        self._order(KILL)

    def restart(self) -> None:
        """Start the same command again, after SIGKILL to what still runs of it.

        Raises:
            NotReady: the command can't be run, or the supervisor is gone.
        """
        self.pid = self._start()

    def stop(self) -> None:
        """End the command and its descendants and remove the folder; return when all is gone.

        Calling it again does nothing.
        """
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe:
                pipe.close()
        self._supervisor.wait()
        if self._remove:  # Still there only if somebody killed the supervisor.
            shutil.rmtree(self._remove, ignore_errors=True)
        _kept.discard(self)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log; nothing when it is gone with its folder."""
        with contextlib.suppress(FileNotFoundError), self.log.open(errors="replace") as log:
            return "".join(deque(log, lines)).rstrip()
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> int:
        answer = self._order(START)
        if not answer.isdigit():
            self.stop()
            raise NotReady(answer)
        return int(answer)

    def _order(self, order: bytes) -> str:
        pipe_in, pipe_out = self._supervisor.stdin, self._supervisor.stdout
        if pipe_in is None or pipe_out is None or pipe_in.closed:
            raise NotReady("stopped already")
        with contextlib.suppress(BrokenPipeError):
            pipe_in.write(order)
        answer = pipe_out.readline()
        if not answer:
            raise NotReady("the command's supervisor is gone, and the command with it")
        return answer.decode().strip()


def keep(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path,
    remove: Path | None = None,
    grace: float = 5.0,
) -> Kept:
    """Start a command that ends when we stop it or when this process is gone.

    Args:
        argv: the command, to stay in the foreground, and its arguments.
        env: its whole environment; ours if None.
        cwd: its folder; ours if None.
        log: file to append its output to.
        remove: folder to remove after it.
        grace: seconds between SIGTERM and SIGKILL; 0: SIGKILL at once.

    Raises:
        NotReady: the command can't be run.
    """
    # By its path, not `-m`: nothing of the package is imported, so it is up in some 40 ms.
    supervisor = [sys.executable, "-I", "-S", __file__, str(grace), str(remove or ""), "--"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*supervisor, *map(str, argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,
        )
    return Kept(process, log, remove)


def free_port() -> int:
    """Return a TCP port that nothing listens on at 127.0.0.1.

    It is below the ports that the kernel gives to outgoing connections: from those, a client that
    tries again and again while its server is down may connect to itself and block the server.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Tell whether something accepts connections at this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(ready: Callable[[], bool], timeout: float, what: str, kept: Kept) -> None:
    """Wait until a kept command is ready.

    Args:
        ready: tells whether it is; asked again and again.
        timeout: seconds it may take.
        what: its name, for the error.
        kept: the command.

    Raises:
        NotReady: it ended, or the time is over; with the last lines of its log.
    """
    deadline, pause = time.monotonic() + timeout, 0.02
    while not ready():
        if not kept.alive:
            raise NotReady(f"{what} ended before it was ready. Its log ends:\n{kept.tail()}")
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {timeout:g} s. Its log ends:\n{kept.tail()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


# From here on: the supervisor.


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
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                yield int(stat.parent.name), int(parent)


def _descendants() -> set[int]:
    """Return all that came of the command: what daemonised was handed to us, its subreaper."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    look_at = [os.getpid()]
    while look_at:
        new = children.get(look_at.pop(), [])
        found.update(new)
        look_at += new
    return found


class _Supervisor:
    """Runs the command, and ends it."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.command: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the command: its process id, or why it can't be run."""
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

    def running(self) -> set[int]:
        """Return the processes still there; without Linux's /proc, the command alone."""
        if LINUX:
            return _descendants()
        return {self.command.pid} if self.command and self.command.poll() is None else set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each process still there."""
        for pid in self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, grace: float) -> None:
        """End everything; return when it is gone."""
        deadline = time.monotonic() + grace
        if grace:
            self.signal(signal.SIGTERM)
        while time.monotonic() < deadline and self.running():
            time.sleep(0.02)
        while self.running():  # Again and again: it may fork meanwhile.
            self.signal(signal.SIGKILL)
            time.sleep(0.01)


def _orders() -> Iterator[bytes]:
    """Yield the orders until the process that we keep the command for is gone."""
    watched = [0]
    # A fork of that process (a multiprocessing worker) may outlive it with the pipe still open.
    with contextlib.suppress(AttributeError, OSError):
        watched.append(os.pidfd_open(os.getppid()))
    while select.select(watched, [], [])[0] == [0] and (order := os.read(0, 1)):
        yield order


def _supervise(grace: float, remove: str, argv: list[str]) -> None:
    """Carry out orders, then end the command and remove the folder."""
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
        if remove:
            shutil.rmtree(remove, ignore_errors=True)


if __name__ == "__main__":
    _supervise(float(sys.argv[1]), sys.argv[2], sys.argv[4:])
