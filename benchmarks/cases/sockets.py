"""Sockets alone: our engine, the chat's gateway and their peers, without broker and stores."""

from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks import peers
from benchmarks.cases import growth
from benchmarks.cases.windows import FEW, PIPELINE, pairs
from benchmarks.measure import Flood, Size, alternate, connects, idle_memories, storm
from benchmarks.row import Row
from benchmarks.sides import Side, Start, all_started, bare, gateway_alone, node

GROUP = "sockets"
# A room for each case, as the welcome of a socket takes longer in a room with more messages.
CALM, GATHERING = "calm", "gathering"


def starts() -> dict[str, Start]:
    """Return the functions that start each side: ours, then the installed peers."""
    return {
        "engine": partial(bare, "nochat"),
        "gateway": gateway_alone,
        "Node": node,
        "python-socketio": partial(bare, "python-socketio"),
        **peers.starts(),
    }


def rows(size: Size) -> Iterator[Row]:
    """Measure every case on every side."""
    with all_started(starts()) as sides:
        yield from _floods(size, sides)
        # The handshake of another protocol is not comparable.
        yield from _connects(size, {name: side for name, side in sides.items() if not side.nats})
        yield from growth.of_sockets(size, sides)
    ours = {name: start for name, start in starts().items() if name not in peers.OTHER_PROTOCOLS}
    figures = idle_memories(size, ours)
    yield Row(GROUP, f"idle connection of {size.connections:,}", "KiB", figures)


def _floods(size: Size, sides: Mapping[str, Side]) -> Iterator[Row]:
    for crowd in size.crowds:
        flood = Flood([f"crowd-{crowd}"], crowd, PIPELINE, size, deliveries=True)
        case = f"room of {crowd:,}, {PIPELINE} in flight"
        yield Row(GROUP, case, "deliveries/s", flood.run(sides))
    crowd = size.crowds[0]
    flood = Flood([CALM], crowd, 1, size, deliveries=True)
    yield Row(GROUP, f"room of {crowd:,}, one in flight", "deliveries/s", flood.run(sides))
    flood = Flood(pairs(size), 2, FEW, size)
    case = f"{size.pairs:,} rooms of 2, {FEW} in flight each"
    yield Row(GROUP, case, "messages/s", flood.run(sides))


def _connects(size: Size, sides: Mapping[str, Side]) -> Iterator[Row]:
    one, all_users = [GATHERING], [f"user-{number}" for number in range(size.users)]
    figures = alternate(
        size.rounds,
        {name: partial(connects, size, side, one, size.users) for name, side in sides.items()},
    )
    yield Row(GROUP, f"one user's {size.users:,} connects", "connects/s", figures)
    figures = alternate(
        size.rounds,
        {name: partial(connects, size, side, all_users, 1) for name, side in sides.items()},
    )
    yield Row(GROUP, f"{size.users:,} users' connects", "connects/s", figures)
    figures = alternate(
        size.rounds,
        {name: partial(storm, size, side, one, size.connections) for name, side in sides.items()},
    )
    yield Row(GROUP, f"{size.connections:,} come back at once", "s", figures)
