"""A judge in another process, which the notebook's own code can't change: `nochat grade` has one.

Notebook and judge talk by a socket: a length of 8 bytes, then a message.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

VARIABLE = "NOCHAT_JUDGE"  # the path of the judge's socket
MOST_BYTES = 50_000_000


def place() -> str:
    """Return where the judge is; "" if there is none."""
    return os.environ.get(VARIABLE, "")


def packed(key: str, answer: Any, settings: Mapping[str, Any]) -> bytes | None:
    """Return an answer with all that it refers to; None if it can't leave its process."""
    import cloudpickle

    program = sys.modules.get("nochat.lab.program")
    files = dict(getattr(program, "files", {}))
    try:
        return bytes(cloudpickle.dumps((key, files, answer, dict(settings))))
    except Exception:  # whatever a student's object raises
        return None


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
