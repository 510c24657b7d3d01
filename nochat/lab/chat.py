"""The chat as processes that a notebook or a test starts, looks into, kills and stops."""

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from nochat.lab.waiting import until_ready
from nochat.local.processes import ChildProcess, free_port, is_free, start_child
from nochat.runtime import registry
from nochat.runtime.origin import url
from nochat.settings import load

READY = 30.0  # seconds that a service may take to start; more while it is busy
READY_LINE = re.compile(r"^[\w, -]+: (http://\S+|running)$", re.MULTILINE)
# For measurements and tests: no rate limits and no bounds.
RATES = ("user_rate", "search_rate", "room_rate", "invite_rate", "address_rate", "login_rate")
BOUNDS = ("user_sockets", "address_connections")
UNLIMITED: dict[str, Any] = dict.fromkeys([*RATES, *BOUNDS], "0")
TOGETHER = "nochat"  # the name of the one process that has all services

_running: "list[Chat]" = []
_port = 0  # of the page, the last time


@dataclass(frozen=True)
class Step:
    """One line of a trace.

    Attributes:
        at: the time, in seconds since 1970.
        service: the service that wrote it.
        step: `published` or `handled`.
        type: the type of the command, event, request or reply.
        event_id: the message's id.
        correlation_id: the id of the action that caused it.
    """

    at: float
    service: str
    step: str
    type: str
    event_id: str
    correlation_id: str


class Chat:
    """A running chat. Use it in `with`, or `stop()` it; it ends with this process in any case.

    Attributes:
        url: the page's address.
        processes: the processes by service, or only `nochat` if all services share one.
        folder: logs and embedded stores, removed at the end.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.url = folder, ""
        self.processes: dict[str, ChildProcess] = {}
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Chat at {self.url}: {', '.join(self.processes) or 'stopped'}>"

    def launch(self, name: str, *arguments: str, env: Mapping[str, str]) -> None:
        """Start one process `nochat …` of the chat."""
        command = [sys.executable, "-m", "nochat", *arguments]
        log = self.folder / f"{name}.log"
        # The first process, which ends last, removes the folder.
        remove = None if self.processes else self.folder
        self.processes[name] = start_child(command, env=env, log=log, remove=remove)

    def ready(self, name: str, since: int = 0) -> str:
        """Wait until a process is ready; return the address that it serves, or ''.

        Args:
            name: the process.
            since: bytes of its log that an earlier start has written.

        Raises:
            NotReady: it has ended or is idle; the message has the end of its log.
        """
        child, line = self.processes[name], None

        def said() -> bool:
            nonlocal line
            line = READY_LINE.search(child.log.read_bytes()[since:].decode())
            return line is not None

        until_ready(said, READY, name, child)
        return line[1].replace("running", "") if line else ""

    def add(self, name: str, service: str) -> str:
        """Start another process; return the address that it serves, or ''.

        Args:
            name: a name for the process; one of that name is stopped first.
            service: a service of the chat, of which to run another instance, or a file of yours.

        Raises:
            NotReady: it has ended or is idle; the message has the end of its log.
        """
        if name in self.processes:
            self.processes.pop(name).stop()
            (self.folder / f"{name}.log").unlink()
        any_port = {"port": "0", "gateway_port": "0"}
        self.launch(name, "run", service, env=_environment({**self._settings, **any_port}))
        return self.ready(name)

    def kill(self, name: str) -> None:
        """Kill a process by SIGKILL, like a crash."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Start a process again."""
        child = self.processes[name]
        written = child.log.stat().st_size
        child.restart()
        self.ready(name, written)

    def promote(self, name: str) -> None:
        """Make an account a manager, as `nochat grant` does.

        Raises:
            NochatError: there is no such account.
        """
        from nochat.cli.promote import promote  # here, as nothing else needs a database

        promote(load(_environment(self._settings)), name)

    def stop(self) -> None:
        """Stop all processes and remove the folder; calling it again does nothing."""
        for name in [*reversed(self.processes)]:
            self.processes.pop(name).stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self in _running:
            _running.remove(self)

    def trace(self, correlation_id: str) -> list[Step]:
        """Return the steps that all services have logged for a correlation id, in order of time."""
        return [step for step in self.steps() if step.correlation_id == correlation_id]

    def steps(self) -> list[Step]:
        """Return the steps that all services have logged so far, in order of time."""
        steps = [step for child in self.processes.values() for step in _steps(child.log)]
        return sorted(steps, key=lambda step: step.at)


def start(
    *,
    apart: bool = False,
    bus: str = "",
    users: str = "",
    activity: str = "",
    port: int = 0,
    log_level: str = "debug",
    **settings: str,
) -> Chat:
    """Start the chat.

    Args:
        apart: run every service in a process of its own; `bus` must be an `amqp://` URL.
        bus: URL of the bus; empty: a journal in a temporary folder.
        users: URL of the users' database; empty: SQLite in a temporary folder.
        activity: URL of the activity store; empty: an embedded server.
        port: port of the page; 0 reuses that of the last chat, so that an open page reconnects, or
            takes a free one.
        log_level: `debug` includes the traces.
        settings: further `NOCHAT_*` settings, in lower case and without the prefix.

    Raises:
        NotReady: a process has ended or is idle; the message has the end of its log.
    """
    global _port
    _port = port or (_port if _port and is_free(_port) else free_port())
    chat = Chat(Path(tempfile.mkdtemp(prefix="nochat-")), settings)
    _running.append(chat)
    settings |= {"bus_url": bus, "users_url": users, "activity_url": activity}
    settings |= {"data_dir": str(chat.folder / "data"), "log_level": log_level}
    settings |= {"port": str(_port), "frame_ancestors": "http://127.0.0.1:* http://localhost:*"}
    began = time.monotonic()
    try:
        _start_apart(chat, settings) if apart else _start_together(chat, settings)
    except BaseException:
        chat.stop()
        raise
    seconds = time.monotonic() - began
    print(f"the chat is up at {chat.url} after {seconds:.1f} s ({', '.join(chat.processes)})")
    return chat


def stop() -> None:
    """Stop every chat that this process started; calling it again does nothing."""
    for chat in [*_running]:
        chat.stop()


def _start_together(chat: Chat, settings: Mapping[str, str]) -> None:
    chat.launch(TOGETHER, "up", env=_environment(settings))
    chat.url = chat.ready(TOGETHER)


def _start_apart(chat: Chat, settings: dict[str, str]) -> None:
    web, gateway = int(settings["port"]), free_port()
    settings |= {"port": str(web), "gateway_port": str(gateway)}
    host = settings.get("host", "127.0.0.1")
    settings |= {"gateway_url": url(host, gateway)}
    settings |= {"origins": f"{url(host, web)},http://localhost:{web}"}
    names = registry.names(load(_environment(settings)))
    for name in names:
        chat.launch(name, "run", name, env=_environment(settings))
    for name in names:
        chat.url = chat.ready(name) or chat.url


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with these settings in place of its own `NOCHAT_*` variables."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}
    return ours | {f"NOCHAT_{name.upper()}": value for name, value in settings.items() if value}


def _steps(log: Path) -> Iterator[Step]:
    for line in log.read_bytes().splitlines():
        if b'"nochat.trace"' in line:
            yield msgspec.json.decode(line, type=Step)
