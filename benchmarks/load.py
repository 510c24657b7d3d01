"""The load generator: a compiled program that holds the sockets, controlled over pipes.

Its source, in Go, is in `generator`, and documents its commands. It is built on first use.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cores import ours, pinned
from nochat.local import doctor
from nochat.local.processes import NotReady

SOURCE = Path(__file__).parent / "generator"
PROGRAM = Path(__file__).parents[1] / "build" / "generator"
TEXT = "#benchmark#0000000000 the quick brown fox jumps over the lazy dog, and the dog lets it"
AT_ONCE = 32  # connections opened at a time
EVER = 10**9


class LoadError(RuntimeError):
    """A server refused, closed a socket or stopped responding."""


@dataclass(frozen=True)
class Done:
    """The result of one command of the generator.

    Attributes:
        messages: messages that were acknowledged, and delivered to all.
        delivered: deliveries of messages to any socket.
        seconds: the duration.
        busy: the generator's load on its core.
        p50: median milliseconds until a delivery, or until a socket's welcome.
        p99: the 99th percentile of the same.
        answer: the data of an acknowledgement.
        error: the reason of a failure.
    """

    messages: int
    delivered: int
    seconds: float
    busy: float
    p50: float
    p99: float
    answer: Any = None
    error: str = ""


@cache
def program() -> Path:
    """Return the generator, built from its source if that is newer.

    Raises:
        Missing: Go is not installed.
        NotReady: it can't be built.
    """
    newest = max(file.stat().st_mtime for file in SOURCE.glob("*.go"))
    if PROGRAM.exists() and PROGRAM.stat().st_mtime > newest:
        return PROGRAM
    PROGRAM.parent.mkdir(exist_ok=True)
    new = PROGRAM.with_name(f"{PROGRAM.name}-{os.getpid()}")
    command = [str(doctor.require("go")), "build", "-o", str(new), "."]
    env = os.environ | {"GO111MODULE": "off", "CGO_ENABLED": "0"}
    built = subprocess.run(command, cwd=SOURCE, env=env, capture_output=True, text=True)
    if built.returncode:
        raise NotReady(f"the load generator can't be built: {built.stderr[-2000:]}")
    return new.rename(PROGRAM)


class Load:
    """Sockets to one server. Use it in `with`.

    Args:
        ports: the server's ports on 127.0.0.1, over which sockets are spread.
        cookie: returns the value of the session's cookie for a room.
        spin: never sleep, as waking the receiver would cost the server time. Only with a core of
            its own.
        nats: speak NATS instead of Socket.IO.
    """

    def __init__(
        self,
        ports: Sequence[int],
        cookie: Callable[[str], str],
        *,
        spin: bool = False,
        nats: bool = False,
    ) -> None:
        self._ports, self._cookie = ports, cookie
        command = [str(program()), *(["--spin"] if spin else []), *(["--nats"] if nats else [])]
        self._process = subprocess.Popen(
            pinned(command, ours()) if spin else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _do(self, what: str, **values: object) -> Done:
        """Send one command, and wait for its result."""
        line = json.dumps({"do": what, "most": EVER, **values})
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LoadError("the load generator has ended") from None
        said = self._process.stdout.readline()
        done = Done(**json.loads(said)) if said else None
        if not done or done.error:
            raise LoadError(done.error if done else "the load generator has ended")
        return done

    def open(self, rooms: Iterable[str], members: int, at_once: int = AT_ONCE) -> Done:
        """Open sockets, and wait until each has its welcome.

        Args:
            rooms: the names of the rooms.
            members: sockets in each room.
            at_once: sockets opened at a time.

        Raises:
            LoadError: the server refuses.
        """
        named = [{"name": room, "cookie": self._cookie(room)} for room in rooms]
        return self._do("open", rooms=named, members=members, at_once=at_once, ports=[*self._ports])

    def ask(self, event: str, data: dict[str, Any], room: int = 0) -> dict[str, Any]:
        """Send an event from a room's first socket; return its acknowledgement.

        Args:
            event: the event's name.
            data: its only argument.
            room: the room's index among those opened.

        Raises:
            LoadError: there is no answer.
        """
        answer: list[dict[str, Any]] = self._do("ask", event=event, data=data, room=room).answer
        return answer[0]

    def quiet(self, seconds: float) -> None:
        """Read until only pings have arrived for some time."""
        self._do("quiet", seconds=seconds)

    def flood(self, seconds: float, window: int, most: int = EVER) -> Done:
        """Keep a number of messages in flight in every room for some time, then wait for them.

        Args:
            seconds: the duration.
            window: messages in flight: not yet acknowledged and delivered to all members.
            most: number of messages after which it ends earlier.

        Raises:
            LoadError: the server refuses, or stops responding.
        """
        return self._do("flood", seconds=seconds, window=window, most=most)

    def pace(self, seconds: float, rate: float) -> Done:
        """Send at a rate, to the rooms in turn; latencies count from a message's due time.

        Raises:
            LoadError: the server refuses, or stops responding.
        """
        return self._do("pace", seconds=seconds, rate=rate)
