"""The measured sides: the chat and its peers as processes, and their use of resources."""

import hashlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy

from benchmarks import cores
from benchmarks.load import Load, LoadError
from nochat.lab import chat, servers
from nochat.local import doctor
from nochat.local.processes import start_child, wait_until
from nochat.stores import users_schema as schema

HERE = Path(__file__).parent
READY = 30.0  # seconds that a server may take to start


@dataclass
class Side:
    """A server under load.

    Attributes:
        ports: its websocket ports on 127.0.0.1.
        processes: ids of its processes, whose descendants count, too.
        broker: id of its broker's process, if it has one.
        cookie: returns the session's token of a room's user.
        stores: whether messages are stored, a moment after their delivery.
        apart: whether it is one process with a core of its own, and the load has another.
        nats: whether it speaks NATS instead of Socket.IO.
        running: the chat, if its services are processes.
    """

    ports: Sequence[int]
    processes: Sequence[int]
    broker: int | None = None
    cookie: Callable[[str], str] = field(default=lambda room: room)
    stores: bool = False
    apart: bool = False
    nats: bool = False
    running: chat.Chat | None = None

    def load(self) -> Load:
        """Return a load generator, which spins if it has a core of its own."""
        return Load(self.ports, self.cookie, spin=self.apart, nats=self.nats)

    def memory(self) -> int:
        """Return the resident memory of its processes, in bytes."""
        return sum(process.memory_info().rss for process in _family(self.processes))

    def stored(self, load: Load, room: str, patience: float = 60.0) -> None:
        """Wait until all messages are stored: a request for history waits behind them in the queue.

        Args:
            load: sockets to this side.
            room: the load's first room.
            patience: seconds to wait at most.

        Raises:
            LoadError: they are not stored in time.
        """
        end = time.monotonic() + patience
        while self.stores and "error" in load.ask("history", {"room": room, "limit": 1}):
            if time.monotonic() > end:
                raise LoadError(f"not stored within {patience:g} s")

    def used(self) -> "Used":
        """Return the processor time so far."""
        broker = _seconds([self.broker]) if self.broker else None
        return Used(_seconds(self.processes), broker)


@dataclass
class Used:
    """The processor seconds, user and system, of the servers and of the broker, if there is one."""

    servers: float
    broker: float | None = None

    def __sub__(self, before: "Used") -> "Used":
        broker = None
        if self.broker is not None and before.broker is not None:
            broker = self.broker - before.broker
        return Used(self.servers - before.servers, broker)


def _family(processes: Sequence[int]) -> Iterator[psutil.Process]:
    for process in map(psutil.Process, processes):
        yield from (process, *process.children(recursive=True))


def _seconds(processes: Sequence[int]) -> float:
    total = 0.0
    for process in _family(processes):
        with suppress(psutil.NoSuchProcess):  # a short-lived helper of the broker
            times = process.cpu_times()
            total += times.user + times.system
    return total


Start = Callable[[], AbstractContextManager[Side]]


@contextmanager
def all_started(starts: Mapping[str, Start]) -> Iterator[dict[str, Side]]:
    """Run several sides, started concurrently."""
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        entered = {
            name: threads.submit(stack.enter_context, start()) for name, start in starts.items()
        }
        yield {name: side.result() for name, side in entered.items()}


@contextmanager
def node(*, apart: bool = True) -> Iterator[Side]:
    """Run the official socket.io on Node.

    Args:
        apart: give it a core of its own; not beside a side with several processes.
    """
    command = [doctor.require("node"), HERE / "peer.mjs"]
    with server("node", command, apart=apart) as side:
        yield side


@contextmanager
def node_through(broker: servers.Server) -> Iterator[Side]:
    """Run Node with amqplib: each message goes through a quorum queue of RabbitMQ."""
    doctor.require("amqplib")
    command = [doctor.require("node"), HERE / "peer_amqp.mjs"]
    with server("node", command, {"BUS_URL": broker.url}, apart=False) as side:
        side.broker = broker.child.pid if broker.child else None
        yield side


@contextmanager
def bare(kind: str) -> Iterator[Side]:
    """Run our engine, or python-socketio, with handlers equivalent to Node's."""
    with server(kind, [sys.executable, "-m", "benchmarks.bare", kind]) as side:
        yield side


@contextmanager
def gateway_alone() -> Iterator[Side]:
    """Run the chat's gateway, without broker and stores."""
    # In memory: by default, the bus is a journal in the user's folder.
    settings = {"NOCHAT_BUS_URL": "memory://", "NOCHAT_GATEWAY_PORT": "0"}
    settings |= {"NOCHAT_LOG_LEVEL": "warning"}
    settings |= {f"NOCHAT_{name.upper()}": rate for name, rate in chat.UNLIMITED.items()}
    with server("gateway", [sys.executable, "-m", "benchmarks.alone"], settings) as side:
        yield side


@contextmanager
def server(
    name: str,
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    *,
    apart: bool = True,
    says: str = "http://",
    nats: bool = False,
) -> Iterator[Side]:
    """Run a program that serves sockets, and prints its address.

    Args:
        name: its name.
        command: the program.
        env: further variables.
        apart: give it a core of its own.
        says: the prefix of its address in the output.
        nats: it speaks NATS instead of Socket.IO.
    """
    folder = Path(tempfile.mkdtemp(prefix="nochat-bench-"))
    log = folder / "log"
    core = cores.servers() if apart else set[int]()
    with start_child(
        cores.pinned(command, core),
        env={**os.environ, **(env or {})},
        cwd=HERE.parent,
        log=log,
        remove=folder,
    ) as child:
        wait_until(lambda: says.encode() in log.read_bytes(), READY, name, child)
        url = next(
            word for word in log.read_text(encoding="utf-8").split() if word.startswith(says)
        )
        port = int(url.rpartition(":")[2])
        yield Side([port], [child.pid], apart=bool(core), nats=nats)


@contextmanager
def whole_chat(
    broker: servers.Server,
    rooms: Sequence[str],
    guests: Sequence[str] = (),
) -> Iterator[Side]:
    """Run the chat: each service in its own process, behind RabbitMQ, with its stores.

    Args:
        broker: RabbitMQ.
        rooms: users with an account, who create a room of the same name.
        guests: further users with an account.
    """
    with chat.start(apart=True, bus=broker.url, log_level="warning", **chat.UNLIMITED) as running:
        ports = [_listening(running.processes["gateway"].pid)]
        own = broker.child.pid if broker.child else None
        with _with_accounts(running, ports, own, rooms, guests) as side:
            side.running = running
            yield side


def run_instances(side: Side, service: str, count: int) -> None:
    """Set the number of instances of a service of the whole chat.

    Args:
        side: the whole chat.
        service: `gateway`, with the load spread over all of them, or `controller`.
        count: the new number of instances.
    """
    assert side.running
    running = side.running.processes
    wanted = [f"{service}-{number}" for number in range(2, count + 1)]
    for name in [name for name in running if name.startswith(f"{service}-")]:
        if name not in wanted:
            running.pop(name).stop()
    for name in wanted:
        if name not in running:
            side.running.add(name, service)
    side.processes = [child.pid for child in running.values()]
    gateways = [name for name in running if name.startswith("gateway")]
    side.ports = [_listening(running[name].pid) for name in gateways]


@contextmanager
def up(rooms: Sequence[str], guests: Sequence[str] = ()) -> Iterator[Side]:
    """Run `nochat up`: the whole chat in one process, with its own bus and stores.

    Args:
        rooms: users with an account, who create a room of the same name.
        guests: further users with an account.
    """
    with chat.start(log_level="warning", **chat.UNLIMITED) as running:
        port = int(running.url.rstrip("/").rpartition(":")[2])
        with _with_accounts(running, [port], None, rooms, guests) as side:
            yield side


@contextmanager
def _with_accounts(
    running: chat.Chat,
    ports: Sequence[int],
    broker: int | None,
    rooms: Sequence[str],
    guests: Sequence[str],
) -> Iterator[Side]:
    tokens = _accounts(running.folder / "data" / "users.db", [*rooms, *guests])
    processes = [child.pid for child in running.processes.values()]
    side = Side(ports, processes, broker, tokens.__getitem__, stores=True)
    with side.load() as load:
        load.open(rooms, members=1)
        for number, room in enumerate(rooms):
            load.ask("create", {"room": room, "title": f"The room of {room}"}, number)
        load.quiet(0.2)
    yield side


def _listening(process: int) -> int:
    return next(
        int(connection.laddr.port)
        for connection in psutil.Process(process).net_connections()
        if connection.status == psutil.CONN_LISTEN
    )


def _accounts(database: Path, users: Sequence[str]) -> dict[str, str]:
    """Create accounts with a session each; return the tokens.

    They are written directly to the database: argon2 would take longer than all measurements.
    """
    tokens = {user: secrets.token_urlsafe(32) for user in users}
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        for number, (user, token) in enumerate(tokens.items(), 1):
            row = {"id": number, "name": user, "folded": user, "password": "", "created": 0.0}
            connection.execute(sqlalchemy.insert(schema.users).values(row))
            digest = hashlib.sha256(token.encode()).hexdigest()
            now = time.time()
            session = {"token": digest, "public": digest[:32], "user_id": number, "used": now}
            session |= {"expires": now + 3600}
            connection.execute(sqlalchemy.insert(schema.sessions).values(session))
    engine.dispose()
    return tokens
