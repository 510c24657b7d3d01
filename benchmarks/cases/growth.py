"""Growth: the figures for more clients, rooms, gateways and controllers."""

import resource
from collections.abc import Iterator, Mapping

from benchmarks.cases.windows import FEW, PIPELINE, pairs
from benchmarks.measure import Flood, Size
from benchmarks.row import Row
from benchmarks.sides import Side, run_instances

CLIENTS, ROOMS = "growth, clients in a room", "growth, rooms of 2"
GATEWAYS, CONTROLLERS = "growth, gateways", "growth, controllers"
SIDES = "engine", "gateway", "Node"
MOST_IN_FLIGHT = 512  # in all rooms together
MOST_PRESENT = 2000  # users: a gateway shows each to all others, which takes minutes for more
SPARE = 1000  # open files of a process beside these sockets


def of_sockets(size: Size, sides: Mapping[str, Side]) -> Iterator[Row]:
    """Measure growing numbers of clients and rooms on some sides, once each, to show the trend."""
    sides = {name: sides[name] for name in SIDES}
    for count in size.clients:
        flood = Flood([f"grown-{count}"], count, PIPELINE, size, deliveries=True)
        yield Row(CLIENTS, f"{count:,}", "deliveries/s", flood.run(sides, 1))
    for count in filter(_fits, size.rooms):
        names = [f"room-{count}-{number}" for number in range(count)]
        window = max(1, min(FEW, MOST_IN_FLIGHT // count))
        if count > MOST_PRESENT:
            sides.pop("gateway", None)
        yield Row(ROOMS, f"{count:,}", "messages/s", Flood(names, 2, window, size).run(sides, 1))


def _fits(rooms: int) -> bool:
    """Return whether one process may open the sockets of that many rooms of two."""
    return 2 * rooms + SPARE <= resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def of_instances(size: Size, side: Side) -> Iterator[Row]:
    """Measure growing numbers of gateways, then of controllers, of the whole chat."""
    flood = Flood(pairs(size), 2, FEW, size)
    for group, service in ((GATEWAYS, "gateway"), (CONTROLLERS, "controller")):
        for count in size.instances:
            run_instances(side, service, count)
            yield Row(group, str(count), "messages/s", flood.run({"chat": side}))
        run_instances(side, service, 1)
