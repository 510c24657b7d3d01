"""Measurements of the sides, in alternating rounds."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.load import AT_ONCE, Done, Load
from benchmarks.sides import Side, Start, Used, all_started

LONGEST = 60.0  # seconds of a round at most


@dataclass(frozen=True)
class Size:
    """The amount of work.

    Attributes:
        rounds: rounds of each side; the median counts.
        settle: seconds for a server to settle after a round.
        seconds: the duration of a flood.
        crowds: sockets in the one room; the first is also used with one message in flight.
        pairs: rooms of two.
        users: users who connect, each with their own account.
        connections: sockets to open, to keep idle, or to reconnect at once.
        messages: the limit of a flood until stored, and the messages one by one through the bus.
        found: messages to search.
        visits: visits of the page, and messages from it; the median counts.
        clients: the growing numbers of sockets.
        rooms: the growing numbers of rooms.
        instances: the growing numbers of gateways and controllers.
    """

    rounds: int = 3
    settle: float = 0.5
    seconds: float = 1.5
    crowds: tuple[int, ...] = (200, 1000)
    pairs: int = 200
    users: int = 800
    connections: int = 2000
    messages: int = 1000
    found: int = 100_000
    visits: int = 5
    clients: tuple[int, ...] = (50, 200, 1000, 5000)
    rooms: tuple[int, ...] = (10, 100, 1000, 10_000)
    instances: tuple[int, ...] = (1, 2, 4)


QUICK = Size(
    rounds=1,
    settle=0.05,
    seconds=0.1,
    crowds=(10,),
    pairs=3,
    users=10,
    connections=40,
    messages=50,
    found=500,
    visits=1,
    clients=(10,),
    rooms=(2,),
    instances=(1, 2),
)


@dataclass(frozen=True)
class Figure:
    """One side's result.

    Attributes:
        value: the result, in the unit of its row.
        server_us: processor time in µs, user and system, of all its servers per unit of work.
        broker_us: the same of its broker, if it has one.
        generator: the load generator's load on its core.
        p99: 99th percentile of deliveries, or of connecting sockets, in milliseconds.
    """

    value: float
    server_us: float = 0.0
    broker_us: float | None = None
    generator: float = 0.0
    p99: float = 0.0


Measure = Callable[[], Figure]
Figures = dict[str, Figure]  # by side


def figure(units: int, seconds: float, used: Used, done: Done | None = None) -> Figure:
    """Return a figure of units per second."""
    units = max(units, 1)
    broker = None if used.broker is None else 1e6 * used.broker / units
    made = Figure(units / seconds, 1e6 * used.servers / units, broker)
    return replace(made, generator=done.busy, p99=done.p99) if done else made


def middle(figures: Sequence[Figure]) -> Figure:
    """Return the median of each value."""
    brokers = [measured.broker_us for measured in figures if measured.broker_us is not None]
    return Figure(
        median(measured.value for measured in figures),
        median(measured.server_us for measured in figures),
        median(brokers) if brokers else None,
        max(measured.generator for measured in figures),
        median(measured.p99 for measured in figures),
    )


def alternate(rounds: int, sides: Mapping[str, Measure]) -> Figures:
    """Measure all sides in turns, never two at once; the first side alternates, too."""
    figures: dict[str, list[Figure]] = {name: [] for name in sides}
    names = [*sides]
    for _ in range(rounds):
        for name in names:
            figures[name].append(sides[name]())
        names = [*names[1:], names[0]]
    return {name: middle(measured) for name, measured in figures.items()}


@dataclass(frozen=True)
class Flood:
    """A flood of messages to rooms, with some in flight in each.

    Attributes:
        rooms: the names of the rooms.
        members: sockets in each; the first one sends.
        window: messages in flight in each room.
        size: the amount of work.
        deliveries: count deliveries instead of messages.
    """

    rooms: Sequence[str]
    members: int
    window: int
    size: Size
    deliveries: bool = False

    def run(self, sides: Mapping[str, Side], rounds: int = 0) -> Figures:
        """Measure all sides in turns."""
        with ExitStack() as stack:
            opened = {name: stack.enter_context(self.on(side)) for name, side in sides.items()}
            measures = {name: load.flood for name, load in opened.items()}
            return alternate(rounds or self.size.rounds, measures)

    @contextmanager
    def on(self, side: Side) -> Iterator["Flooded"]:
        """Open the sockets to a side; yield the object that measures a round."""
        with side.load() as load:
            load.open(self.rooms, self.members)
            side.stored(load, self.rooms[0])
            load.quiet(self.size.settle)
            load.flood(self.size.seconds / 4, self.window)
            yield Flooded(self, side, load)
            side.stored(load, self.rooms[0])  # otherwise the next clients would wait for it
        if side.stores:
            time.sleep(6 * self.size.settle)  # likewise for the log of disconnects


@dataclass(frozen=True)
class Flooded:
    """A side with the sockets of a flood."""

    by: Flood
    side: Side
    load: Load

    def flood(self) -> Figure:
        """Flood for some time."""
        before = self._begin()
        done = self.load.flood(self.by.size.seconds, self.by.window)
        used = self.side.used() - before
        units = done.messages * (self.by.members if self.by.deliveries else 1)
        return figure(units, done.seconds, used, done)

    def until_stored(self, messages: int) -> Figure:
        """Flood until a number of messages are stored."""
        before, began = self._begin(), time.perf_counter()
        done = self.load.flood(LONGEST, self.by.window, messages)
        self.side.stored(self.load, self.by.rooms[0])
        seconds, used = time.perf_counter() - began, self.side.used() - before
        return figure(done.messages, seconds, used, done)

    def latency(self, rate: float) -> Figure:
        """Send at a rate; return the median latency in milliseconds, with the work per message."""
        before = self._begin()
        done = self.load.pace(self.by.size.seconds, max(rate, 1 / self.by.size.seconds))
        worked = figure(done.messages, done.seconds, self.side.used() - before, done)
        return replace(worked, value=done.p50)

    def in_turn(self) -> Figure:
        """Send each message after the delivery of the last; return a figure like `latency`."""
        before = self._begin()
        done = self.load.flood(self.by.size.seconds, 1)
        worked = figure(done.messages, done.seconds, self.side.used() - before, done)
        return replace(worked, value=done.p50)

    def _begin(self) -> Used:
        self.load.quiet(self.by.size.settle / 2)
        self.side.stored(self.load, self.by.rooms[0])
        return self.side.used()


def connects(
    size: Size, side: Side, rooms: Sequence[str], members: int, at_once: int = AT_ONCE
) -> Figure:
    """Open sockets, some at a time, until each has its welcome."""
    with side.load() as load:
        before = side.used()
        done = load.open(rooms, members, at_once)
        used = side.used() - before
        result = figure(len(rooms) * members, done.seconds, used, done)
    time.sleep(size.settle)
    return result


def storm(size: Size, side: Side, rooms: Sequence[str], members: int) -> Figure:
    """Drop all sockets at once, and reopen them at once; return the seconds that this takes."""
    with side.load() as load:
        load.open(rooms, members)
        load.quiet(size.settle)
    count = len(rooms) * members
    with side.load() as load:
        before = side.used()
        done = load.open(rooms, members, at_once=count)
        worked = figure(count, done.seconds, side.used() - before, done)
    time.sleep(2 * size.settle)
    return replace(worked, value=done.seconds)


def idle_memories(size: Size, starts: Mapping[str, Start]) -> Figures:
    """Measure fresh servers in turns: the KiB of memory for an idle connection."""
    figures: dict[str, list[Figure]] = {name: [] for name in starts}
    for _ in range(size.rounds):
        with all_started(starts) as sides:
            for name, side in sides.items():
                figures[name].append(_idle_memory(size, side))
    return {name: middle(measured) for name, measured in figures.items()}


def _idle_memory(size: Size, side: Side) -> Figure:
    count = size.connections
    with side.load() as load:
        load.open(["first"], max(1, count // 10))  # warms up what is loaded only once
        load.quiet(size.settle)
        before, used = side.memory(), side.used()
        load.open(["crowd"], count)
        load.quiet(2 * size.settle)
        grown, used = side.memory() - before, side.used() - used
        return Figure(grown / 1024 / count, 1e6 * used.servers / count)
