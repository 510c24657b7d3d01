"""`python -m benchmarks.plan [FILE]`: the machines for 100,000 connected people, by simulation.

The costs of a message, a delivery and a connection come from the file of results. Everything else
is assumed, and stated in `Assumptions`: we have not measured a chat of that size.
"""

import json
import random
import sys
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.files import BENCH

MILLION = 1e6


@dataclass(frozen=True)
class Assumptions:
    """The assumed chat.

    Attributes:
        people: people connected at the same time, each with one socket.
        rooms_each: rooms of each person.
        room: median number of people in a room.
        spread: standard deviation of that number's logarithm: some rooms are a hundred times as
            large.
        largest: people in the largest room.
        seconds_between: average seconds between two messages of one person.
        burst: factor of the message rate in the busiest seconds.
        share: the share of a core used in the busiest second; the rest is a reserve.
        sockets: sockets on one gateway at most, which reconnect at once when it dies.
        nodes: nodes of RabbitMQ; each has the measured work for every message.
        seconds: simulated seconds.
    """

    people: int = 100_000
    rooms_each: int = 5
    room: float = 6.0
    spread: float = 1.2
    largest: int = 2000
    seconds_between: float = 300.0
    burst: float = 2.0
    share: float = 0.6
    sockets: int = 10_000
    nodes: int = 3
    seconds: int = 20


@dataclass(frozen=True)
class Costs:
    """Measured costs of work.

    Attributes:
        delivery: µs of a gateway for one delivery.
        message: µs of each gateway for one message, beside its deliveries.
        decision: µs of all other services for one message.
        broker: µs of RabbitMQ for one message with one gateway.
        queue: µs of RabbitMQ for one message and each further gateway.
        connection: KiB of a gateway for one connection.
        connects: connects per second of one gateway with the services behind it.
    """

    delivery: float
    message: float
    decision: float
    broker: float
    queue: float
    connection: float
    connects: float


@dataclass(frozen=True)
class Plan:
    """The required machines.

    Attributes:
        messages: messages in the busiest second.
        deliveries: deliveries in the busiest second.
        gateways: number of gateways, each with a core; 0 if no number is enough.
        gateway_core: the busiest gateway's share of its core.
        gateway_gib: memory of each gateway's connections.
        other_cores: cores of controllers, stores and the other services.
        broker_cores: cores of each node of RabbitMQ.
        return_seconds: seconds until all sockets of a dead gateway have reconnected.
    """

    messages: float
    deliveries: float
    gateways: int
    gateway_core: float
    gateway_gib: float
    other_cores: float
    broker_cores: float
    return_seconds: float


def costs(measured: dict[str, Any]) -> Costs:
    """Compute the costs from a file of results."""

    def figures(group: str, *words: str) -> list[dict[str, Any]]:
        return [
            row["figures"]
            for row in measured["rows"]
            if row["group"] == group and all(word in row["case"] for word in words)
        ]

    delivery = figures("sockets", "room of", "16 in flight")[-1]["gateway"]["server_us"]
    alone = figures("sockets", "rooms of 2")[0]["gateway"]["server_us"]
    message = max(alone - 2 * delivery, delivery)
    whole = figures("whole path", "rooms of 2")[0]["chat"]
    gateways = [
        (row["case"], row["figures"]["chat"]) for row in _group(measured, "growth, gateways")
    ]
    (_, one), (most, all_of_them) = gateways[0], gateways[-1]
    more = (all_of_them["broker_us"] - one["broker_us"]) / max(1, int(most) - 1)
    return Costs(
        delivery=delivery,
        message=message,
        decision=max(whole["server_us"] - alone, 0.0),
        broker=whole["broker_us"],
        queue=max(more, 0.05 * whole["broker_us"]),  # at least, as noise may hide it
        connection=figures("sockets", "idle connection")[0]["gateway"]["value"],
        connects=figures("whole path", "connects")[0]["chat"]["value"],
    )


def _group(measured: dict[str, Any], group: str) -> list[dict[str, Any]]:
    return [row for row in measured["rows"] if row["group"] == group]


def plan(assumed: Assumptions, cost: Costs, seed: int = 1) -> Plan:
    """Simulate the busiest seconds with a growing number of gateways, until none is overloaded."""
    drawn = random.Random(seed)  # noqa: S311
    rooms = _rooms(assumed, drawn)
    seconds = _messages(assumed, rooms, drawn)
    messages = max(map(len, seconds))
    deliveries = max(sum(len(rooms[room]) for room in second) for second in seconds)
    budget = assumed.share * MILLION
    gateways, busiest = -(-assumed.people // assumed.sockets), 0.0
    # Each gateway's work for every message does not shrink with more gateways.
    hopeless = messages * cost.message >= budget
    while not hopeless:
        busiest = _busiest(assumed, cost, rooms, seconds, gateways)
        if busiest <= budget:
            break
        gateways += max(1, gateways // 16)
    known = 0 if hopeless else gateways
    broker = messages * (cost.broker + max(0, gateways - 1) * cost.queue / assumed.nodes)
    return Plan(
        messages=messages,
        deliveries=deliveries,
        gateways=known,
        gateway_core=busiest / MILLION,
        gateway_gib=assumed.people / gateways * cost.connection / 2**20,
        other_cores=messages * cost.decision / budget,
        broker_cores=broker / budget,
        return_seconds=assumed.people / gateways / (cost.connects * max(1, gateways - 1)),
    )


def _rooms(assumed: Assumptions, drawn: random.Random) -> list[Sequence[int]]:
    """Draw random rooms until all people are in their number of rooms."""
    rooms: list[Sequence[int]] = []
    left = assumed.people * assumed.rooms_each
    everybody, largest = range(assumed.people), min(assumed.largest, assumed.people)
    while left > 0:
        size = int(assumed.room * drawn.lognormvariate(0, assumed.spread))
        size = max(2, min(size, largest))
        rooms.append(drawn.sample(everybody, size))
        left -= size
    return rooms


def _messages(
    assumed: Assumptions, rooms: Sequence[Sequence[int]], drawn: random.Random
) -> list[list[int]]:
    """Draw the rooms of all messages of each second, in proportion to their sizes."""
    bounds = [*accumulate(map(len, rooms))]
    expected = assumed.burst * assumed.people / assumed.seconds_between
    seconds = []
    for _ in range(assumed.seconds):
        count = max(1, round(drawn.gauss(expected, expected**0.5)))
        seconds.append([bisect(bounds, drawn.random() * bounds[-1]) for _ in range(count)])
    return seconds


def _busiest(
    assumed: Assumptions,
    cost: Costs,
    rooms: Sequence[Sequence[int]],
    seconds: Sequence[Sequence[int]],
    gateways: int,
) -> float:
    """Return the µs of the busiest gateway in its busiest second, with people spread evenly."""
    busiest = 0.0
    for second in seconds:
        deliveries: Counter[int] = Counter()
        for room in second:
            deliveries.update(person % gateways for person in rooms[room])
        most = max(deliveries.values())
        busiest = max(busiest, most * cost.delivery + len(second) * cost.message)
    return busiest


def table(assumed: Assumptions, cost: Costs, planned: Plan) -> str:
    """Return a plan as a table in Markdown."""
    gateways = str(planned.gateways) if planned.gateways else "no number is enough"
    rows = {
        "people who are connected": f"{assumed.people:,}",
        "messages in the busiest second": f"{planned.messages:,.0f}",
        "deliveries in the busiest second": f"{planned.deliveries:,.0f}",
        "gateways, a core each": gateways,
        "the busiest gateway's share of its core": f"{planned.gateway_core:.0%}",
        "memory of a gateway's connections": f"{planned.gateway_gib:.2f} GiB",
        "cores for controllers, stores and other services": f"{planned.other_cores:.1f}",
        f"cores of each of {assumed.nodes} nodes of RabbitMQ": f"{planned.broker_cores:.1f}",
        "seconds until all are back whose gateway died": f"{planned.return_seconds:.0f}",
    }
    lines = ["| | |", "|---|--:|", *(f"| {what} | {value} |" for what, value in rows.items())]
    used = (
        f"What was measured of it: {cost.delivery:.1f} µs for a delivery, {cost.message:.0f} µs of"
        f" each gateway and {cost.decision:.0f} µs of all other services for a message,"
        f" {cost.broker:.0f} µs of RabbitMQ for a message and {cost.queue:.0f} µs for each further"
        f" gateway, {cost.connection:.1f} KiB for a connection, {cost.connects:,.0f} connects a"
        " second."
    )
    return "\n".join([*lines, "", used])


def main() -> int:
    """Print the plan; return the exit status."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else BENCH
    assumed, cost = Assumptions(), costs(json.loads(file.read_text(encoding="utf-8")))
    print(table(assumed, cost, plan(assumed, cost)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
