"""Child processes that can't outlive this process, even after a crash or `kill -9`.

A small supervisor runs each command, in a session of its own, so that the Interrupt button of a
notebook does not reach it. `supervisor.py` documents what it does.
"""

import contextlib
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

from nochat.errors import NochatError
from nochat.local import supervisor

# Losing the last reference to a child must not stop a server that a notebook still uses.
_children: "set[ChildProcess]" = set()

Answer = TypeVar("Answer")


class NotReady(NochatError):
    """A command did not start, ended too early, or took too long to answer."""


class ChildProcess:
    """A command that lives no longer than this process.

    Attributes:
        pid: process id of the command (the supervisor's is another).
        log: file with the command's standard output and error.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, remove: Path | None) -> None:
        self.log = log
        self._supervisor, self._remove = process, remove
        self.pid = self._start()
        _children.add(self)

    @property
    def alive(self) -> bool:
        """True while the command is running."""
        if self._supervisor.poll() is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """Kill the command and its descendants by SIGKILL, like a crash; the folder stays.

        Raises:
            NotReady: the supervisor is gone.
        """
        self._order(supervisor.KILL)

    def restart(self) -> None:
        """Start the same command again, after a SIGKILL of its remaining processes.

        Raises:
            NotReady: the command can't be run, or the supervisor is gone.
        """
        self.pid = self._start()

    def stop(self) -> None:
        """Stop the command and its descendants and remove the folder; return when that is done.

        Calling it again does nothing.
        """
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe:
                pipe.close()
        self._supervisor.wait()
        if self._remove:  # Still there only if somebody killed the supervisor.
            shutil.rmtree(self._remove, ignore_errors=True)
        _children.discard(self)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log; nothing if it was removed with its folder."""
        return tail(self.log, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> int:
        answer = self._order(supervisor.START)
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
            self.stop()
            raise NotReady("the command's supervisor is gone, and the command with it")
        return answer.decode().strip()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log; nothing if there is none."""
    with (
        contextlib.suppress(FileNotFoundError),
        log.open(errors="replace", encoding="utf-8") as file,
    ):
        return "".join(deque(file, lines)).rstrip()
    return ""


def start_child(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path,
    remove: Path | None = None,
    grace: float = 5.0,
    after: str = "",
    hold: Sequence[int] = (),
) -> ChildProcess:
    """Start a command that ends by `stop`, or when this process has ended.

    Args:
        argv: the command, which must stay in the foreground, and its arguments.
        env: its whole environment; this process's if None.
        cwd: its folder; this process's if None.
        log: file to append its output to.
        remove: folder to remove after it.
        grace: seconds between SIGTERM and SIGKILL; 0: SIGKILL at once.
        after: shell script that removes other resources, such as a network interface. It runs
            after the command, before the folder is removed, and has to limit its own time.
        hold: file descriptors of locks, which stay open until the command has ended.

    Raises:
        NotReady: the command can't be run.
    """
    # By its path, not `-m`: it needs neither the package nor its imports.
    command = [sys.executable, "-I", "-S", supervisor.__file__, str(grace), str(remove or "")]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, after, "--", *map(str, argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,
            pass_fds=hold,
        )
    return ChildProcess(process, log, remove)


def when_gone(
    script: str, folder: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildProcess:
    """Run a shell script when this process has ended, or by `stop`.

    Args:
        script: the script, which has to limit its own time.
        folder: the folder for its log, removed after it.
        env: its whole environment; this process's if None.
        cwd: its folder; this process's if None.
    """
    # It only sleeps until this process ends.
    command, log = ["sleep", "infinity"], folder / "log"
    return start_child(command, env=env, cwd=cwd, log=log, remove=folder, grace=0, after=script)


def free_port() -> int:
    """Return a TCP port that nothing listens on at 127.0.0.1.

    It is below the kernel's ports for outgoing connections: with one of those, a client that
    retries while its server is down may connect to itself and block the server's port.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if is_free(port, reuse=False):
            return port


def is_free(port: int, *, reuse: bool = True) -> bool:
    """Return whether nothing listens on a port of 127.0.0.1.

    Args:
        port: the port.
        reuse: accept a port with connections in TIME_WAIT, as servers do.
    """
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def listens(port: int) -> bool:
    """Return whether a server accepts connections at this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def until(
    ask: Callable[[], Answer],
    seconds: float = math.inf,
    *,
    pause: float = 0.05,
    longest: float | None = None,
) -> Answer:
    """Poll a function until its result is true or the time is up; return the last result.

    Args:
        ask: the function.
        seconds: the limit.
        pause: seconds between two calls.
        longest: seconds to which the pause grows; None for a constant pause.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.5, longest) if longest else pause
    return answer


def wait_until(ready: Callable[[], bool], timeout: float, what: str, child: ChildProcess) -> None:
    """Wait until a child process is ready.

    Args:
        ready: returns whether it is ready; called repeatedly.
        timeout: seconds to wait at most.
        what: its name, for the error.
        child: the child process.

    Raises:
        NotReady: it has ended, or the time is up; the message has the end of its log.
    """

    def answer() -> bool:
        if ready():
            return True
        if not child.alive:
            raise NotReady(f"{what} ended before it was ready. Its log ends:\n{child.tail()}")
        return False

    if not until(answer, timeout, pause=0.02, longest=0.2):
        raise NotReady(f"{what} is not ready after {timeout:g} s. Its log ends:\n{child.tail()}")
