"""The whole path: from a socket over the bus to the decision, the store and the room's sockets.

The sides are the chat as processes on RabbitMQ, the chat in one process on its own bus, Node on the
same RabbitMQ, and Node alone, which loses all data when it stops.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from benchmarks.cases import growth
from benchmarks.cases.windows import FEW, PIPELINE, pairs
from benchmarks.measure import Figure, Figures, Flood, Size, alternate, connects, storm
from benchmarks.row import Row
from benchmarks.sides import Side, node, node_through, up, whole_chat
from nochat.lab.servers import Server

GROUP = "whole path"
FLOODED, CALM = "flooded", "calm"
TOGETHER = 10  # sockets of each user that reconnect at once


def rows(size: Size, broker: Server) -> Iterator[Row]:
    """Measure every case on every side."""
    rooms = [FLOODED, CALM, *pairs(size)]
    guests = [f"user-{number}" for number in range(size.users)]
    with ExitStack() as stack:
        sides = {
            "chat": stack.enter_context(whole_chat(broker, rooms, guests)),
            "nochat up": stack.enter_context(up(rooms, guests)),
            "Node, amqplib": stack.enter_context(node_through(broker)),
            "Node": stack.enter_context(node(apart=False)),
        }
        held = {name: Figure(side.memory() / 2**20) for name, side in sides.items()}
        yield Row(GROUP, "memory when nobody is there", "MiB", held)
        yield from _messages(size, sides)
        yield from _connects(size, sides, guests)
        yield from growth.of_instances(size, sides["chat"])


def _messages(size: Size, sides: Mapping[str, Side]) -> Iterator[Row]:
    crowd = size.crowds[0]
    flood = Flood([FLOODED], crowd, PIPELINE, size, deliveries=True)
    case = f"room of {crowd:,}, {PIPELINE} in flight"
    yield Row(GROUP, case, "deliveries/s", flood.run(sides))
    with ExitStack() as stack:
        flood = Flood(pairs(size), 2, FEW, size)
        opened = {name: stack.enter_context(flood.on(side)) for name, side in sides.items()}
        figures = alternate(size.rounds, {name: load.flood for name, load in opened.items()})
        yield Row(GROUP, f"{size.pairs:,} rooms of 2, {FEW} in flight each", "messages/s", figures)
        half = {
            name: partial(load.latency, figures[name].value / 2) for name, load in opened.items()
        }
        yield Row(GROUP, "median latency at half of that", "ms", alternate(size.rounds, half))
        stored = {
            name: partial(load.until_stored, size.messages)
            for name, load in opened.items()
            if sides[name].stores
        }
        yield Row(GROUP, "the same until stored", "messages/s", alternate(size.rounds, stored))
    yield Row(GROUP, "median latency, one in flight", "ms", _in_turn(size, sides))


def _in_turn(size: Size, sides: Mapping[str, Side]) -> Figures:
    flood = Flood([CALM], 2, 1, size)
    with ExitStack() as stack:
        opened = {name: stack.enter_context(flood.on(side)) for name, side in sides.items()}
        return alternate(size.rounds, {name: load.in_turn for name, load in opened.items()})


def _connects(size: Size, sides: Mapping[str, Side], guests: list[str]) -> Iterator[Row]:
    def each(count: int) -> Figures:
        def on(side: Side) -> Figure:
            return connects(size, side, guests[:count], 1)

        return alternate(size.rounds, {name: partial(on, side) for name, side in sides.items()})

    few = max(1, size.users // 4)
    yield Row(GROUP, f"{few:,} users' connects", "connects/s", each(few))
    users = guests[: max(1, size.connections // TOGETHER)]
    back = {
        name: partial(storm, size, side, users, size.connections // len(users))
        for name, side in sides.items()
    }
    figures = alternate(1, back)
    yield Row(GROUP, f"{size.connections:,} come back at once", "s", figures)
