"""A judge in another process, which the notebook's own code can't change: `nochat grade` has one.

Notebook and judge talk by a socket: a length of 8 bytes, then a message.
"""

import io
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from nochat.local.processes import ChildProcess, tail

VARIABLE = "NOCHAT_JUDGE"  # the path of the judge's socket
IN_NOTEBOOK = "NOCHAT_JUDGE_IN_NOTEBOOK"  # set: answers are not sent, but judged where they are
MOST_BYTES = 50_000_000


def place() -> str:
    """Return where the judge is; "" if there is none."""
    return os.environ.get(VARIABLE, "")


def packed(key: str, answer: Any, settings: Mapping[str, Any]) -> bytes | None:
    """Return an answer with all that it refers to; None if it can't leave its process."""
    if os.environ.get(IN_NOTEBOOK):
        return None
    program = sys.modules.get("nochat.lab.program")
    files = dict(getattr(program, "files", {}))
    message = io.BytesIO()
    try:
        _Pickler(message).dump((key, files, answer, dict(settings)))
    except Exception:  # whatever a student's object raises
        return None
    return message.getvalue()


@dataclass(frozen=True)
class Child:
    """A process of the notebook, as the judge sees it: without the pipes that control it.

    Attributes:
        pid: its process id.
        log: the file with its output.
    """

    pid: int
    log: Path

    @property
    def alive(self) -> bool:
        """True while it is running."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def kill(self) -> None:
        """Kill it by SIGKILL, like a crash."""
        os.kill(self.pid, signal.SIGKILL)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        return tail(self.log, lines)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Sends what the notebook's objects refer to; people's connections can't be sent."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how to make an object of this kind in the judge; called by `pickle`."""
        if isinstance(obj, ChildProcess):
            return Child, (obj.pid, obj.log)
        people = sys.modules.get("nochat.lab.people")
        if people and isinstance(obj, people.Person):
            return _nobody, ()
        return super().reducer_override(obj)


def _nobody() -> None:
    """Return what the judge gets for a person: it judges without, or not at all."""


def ask(path: str, kind: bytes, message: bytes) -> dict[str, Any]:
    """Send an answer (kind `a`), or a verdict of the notebook itself (`v`), and return the reply.

    Raises:
        OSError: the judge is gone.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        send(line, kind + message)
        return dict(json.loads(receive(line)))


def send(line: socket.socket, message: bytes) -> None:
    """Send one message."""
    line.sendall(len(message).to_bytes(8, "big") + message)


def receive(line: socket.socket) -> bytes:
    """Return one message.

    Raises:
        OSError: the other end is gone, or the message is too long.
    """
    length = int.from_bytes(_exactly(line, 8), "big")
    if length > MOST_BYTES:
        raise OSError(f"a message of {length} bytes is too long")
    return _exactly(line, length)


def _exactly(line: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        if not (part := line.recv(min(65536, length - len(received)))):
            raise OSError("the other end is gone")
        received += part
    return bytes(received)
