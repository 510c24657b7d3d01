"""Optional peers, measured only if they are installed.

- uWebSockets, `uv pip install socketify` in the environment: in C++, with handlers in Python.
- nats-server, `apt-get install nats-server`: a broker in Go that serves websockets itself. It has
  its own protocol and no handlers at all: the limit of a compiled server.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from benchmarks.sides import Side, Start, server
from nochat.local.processes import free_port

NATS = "nats-server"
SOCKETIFY = "uWebSockets"
OTHER_PROTOCOLS = {NATS}

CONFIGURATION = """\
host: 127.0.0.1
port: -1
websocket {{ host: "127.0.0.1", port: {port}, no_tls: true }}
"""


def starts() -> dict[str, Start]:
    """Return the functions that start the installed peers."""
    found: dict[str, Start] = {}
    if find_spec("socketify"):
        found[SOCKETIFY] = _socketify
    if shutil.which(NATS):
        found[NATS] = _nats
    return found


@contextmanager
def _socketify() -> Iterator[Side]:
    with server(SOCKETIFY, [sys.executable, "-m", "benchmarks.peer_socketify"]) as side:
        yield side


@contextmanager
def _nats() -> Iterator[Side]:
    with tempfile.TemporaryDirectory(prefix="nochat-bench-") as folder:
        configuration = Path(folder) / "nats.conf"
        configuration.write_text(CONFIGURATION.format(port=free_port()), encoding="utf-8")
        command = [NATS, "-c", str(configuration)]
        with server(NATS, command, says="ws://", nats=True) as side:
            yield side
