"""The cases: what is done to a side, in rounds that alternate between the chat and its peer."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.load import Load
from benchmarks.sides import Side, Used

LONGEST = 60.0  # seconds that a round may take
SETTLE = 0.5  # seconds in which a server forgets the last round


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        rounds: of each side; the median counts.
        seconds: that a flood lasts.
        crowd: sockets in the one room.
        pairs: rooms of two.
        connections: sockets that are opened, or that idle.
        messages: the most in a flood until stored, and one by one through the bus.
        visits: of the page, and messages from it; the median counts.
    """

    rounds: int = 3
    seconds: float = 1.5
    crowd: int = 200
    pairs: int = 100
    connections: int = 500
    messages: int = 1000
    visits: int = 5


QUICK = Size(rounds=1, seconds=0.3, crowd=10, pairs=3, connections=20, messages=100, visits=1)


@dataclass(frozen=True)
class Figure:
    """One side's result in one round: its figure, and the processor's µs per unit of work."""

    value: float
    server_us: float
    broker_us: float | None = None
    generator: float = 0.0


def figure(units: int, seconds: float, used: Used, generator: float = 0.0) -> Figure:
    """Units a second."""
    units = max(units, 1)
    broker = None if used.broker is None else 1e6 * used.broker / units
    return Figure(units / seconds, 1e6 * used.servers / units, broker, generator)


def middle(figures: Sequence[Figure]) -> Figure:
    """Return the median of each part."""
    brokers = [measured.broker_us for measured in figures if measured.broker_us is not None]
    return Figure(
        median(measured.value for measured in figures),
        median(measured.server_us for measured in figures),
        median(brokers) if brokers else None,
        max(measured.generator for measured in figures),
    )


def alternate(
    rounds: int, chat: Callable[[], Figure], peer: Callable[[], Figure]
) -> tuple[Figure, Figure]:
    """Measure both in turns, never at once; who begins alternates, too."""
    figures: dict[Callable[[], Figure], list[Figure]] = {chat: [], peer: []}
    for number in range(rounds):
        for side in (chat, peer) if number % 2 == 0 else (peer, chat):
            figures[side].append(side())
    return middle(figures[chat]), middle(figures[peer])


Round = Callable[..., Figure]


@dataclass(frozen=True)
class Flood:
    """Messages to rooms, with some in flight in each.

    Attributes:
        rooms: their names.
        members: sockets in each; the first one writes.
        window: messages in flight in each room.
        seconds: how long a round takes.
        deliveries: count what arrives instead of what is sent.
    """

    rooms: Sequence[str]
    members: int
    window: int
    seconds: float
    deliveries: bool = False

    @contextmanager
    def on(self, side: Side, *, spin: bool = False) -> Iterator[Round]:
        """Open the sockets to a side; gives what measures a round.

        Args:
            side: the server.
            spin: see `Load`.
        """
        with side.load(spin=spin) as load:
            load.open(self.rooms, self.members)
            side.stored(load, self.rooms[0])
            load.hear(SETTLE)
            load.flood(self.seconds / 4, self.window)
            load.settle()
            yield partial(self._round, side, load)
            side.stored(load, self.rooms[0])  # or those who come next would wait for it
        if side.stores:
            time.sleep(6 * SETTLE)  # as they would for the log of who went

    def _round(self, side: Side, load: Load, until_stored: int = 0) -> Figure:
        """Flood for some time, or until so many messages are stored."""
        load.hear(0.1)  # the pings that came meanwhile
        side.stored(load, self.rooms[0])
        before, finished, began = side.used(), load.finished, time.perf_counter()
        if until_stored:
            load.flood(LONGEST, self.window, until_stored)
            load.settle()
            side.stored(load, self.rooms[0])
        else:
            load.flood(self.seconds, self.window)
        seconds, used = time.perf_counter() - began, side.used() - before
        messages, busy = load.finished - finished, load.busy.share
        load.settle()
        return figure(messages * (self.members if self.deliveries else 1), seconds, used, busy)


def connects(side: Side, room: str, count: int, *, spin: bool = False) -> Figure:
    """Open sockets, some at a time, until each is welcome."""
    with side.load(spin=spin) as load:
        before, began = side.used(), time.perf_counter()
        load.open([room], count)
        seconds, used = time.perf_counter() - began, side.used() - before
        result = figure(count, seconds, used, load.busy.share)
    time.sleep(SETTLE)
    return result


def idle_memory(start: Callable[[], AbstractContextManager[Side]], count: int) -> Figure:
    """KiB by which a fresh server grows for each connection that idles."""
    with start() as side, side.load() as load:
        load.open(["first"], max(1, count // 10))  # what is loaded or made only once
        load.hear(SETTLE)
        before, used = side.memory(), side.used()
        load.open(["crowd"], count)
        load.hear(2 * SETTLE)
        grown, used = side.memory() - before, side.used() - used
        return Figure(grown / 1024 / count, 1e6 * used.servers / count, None, load.busy.share)
