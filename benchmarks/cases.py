"""The table's rows, from the bus up."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from benchmarks import bus
from benchmarks.measure import Figure, Flood, Size, alternate, connects, idle_memory
from benchmarks.sides import Side, gateway_alone, peer, whole_chat
from nochat.lab import servers

# A room for each case: what a socket is welcomed with takes the longer, the more its room was used.
FLOODED, CALM, GATHERING = "flooded", "calm", "gathering"
PIPELINE = 16
PUBLISHERS = 100


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        case: what was measured.
        unit: of both figures; the processor's time is for one of it.
        chat: the chat's figure.
        peer: the peer's.
    """

    case: str
    unit: str
    chat: Figure
    peer: Figure

    @property
    def ratio(self) -> float:
        """The chat's figure for each of the peer's."""
        return self.chat.value / self.peer.value


def rows(size: Size) -> Iterator[Row]:
    """Measure everything, a row at a time."""
    with servers.rabbitmq() as broker:
        yield from _bus(size, broker)
        yield from _whole(size, broker)
    yield from _alone(size)


def _bus(size: Size, broker: servers.Server) -> Iterator[Row]:
    blocking = partial(bus.blocking, broker, size.messages)
    for publishers in (1, PUBLISHERS):
        many = size.messages * (20 if publishers > 1 else 1)
        case = f"bus alone, {publishers} at a time; pika, one"
        ours = partial(bus.ours, broker, many, publishers)
        yield Row(case, "messages/s", *alternate(size.rounds, ours, blocking))


def _whole(size: Size, broker: servers.Server) -> Iterator[Row]:
    pairs = _pairs(size)
    with whole_chat(broker, [FLOODED, CALM, GATHERING, *pairs]) as chat, peer() as node:
        few = size.connections // 5
        yield _connects(size.rounds, "connects, whole path", chat, node, few, spin=False)
        measure = partial(_flood, size, chat, node, spin=False)
        yield measure("flood, whole path", _crowd(size, FLOODED, PIPELINE))
        yield measure("one in flight, whole path", _crowd(size, CALM, 1))
        yield from _rooms_stored(size, chat, node, Flood(pairs, 2, 4, size.seconds))


def _alone(size: Size) -> Iterator[Row]:
    with gateway_alone() as chat, peer() as node:
        measure = partial(_flood, size, chat, node, spin=True)
        yield measure("flood", _crowd(size, FLOODED, PIPELINE))
        yield measure("one in flight", _crowd(size, CALM, 1))
        yield measure("rooms of 2", Flood(_pairs(size), 2, 4, size.seconds))
        yield _connects(size.rounds, "connects", chat, node, size.connections, spin=True)

    def grown(start: Callable[[], AbstractContextManager[Side]]) -> Callable[[], Figure]:
        return partial(idle_memory, start, size.connections)

    figures = alternate(size.rounds, grown(gateway_alone), grown(peer))
    yield Row("idle connection", "KiB", *figures)


def _pairs(size: Size) -> list[str]:
    return [f"pair-{number}" for number in range(size.pairs)]


def _crowd(size: Size, room: str, window: int) -> Flood:
    return Flood([room], size.crowd, window, size.seconds, deliveries=True)


def _flood(size: Size, chat: Side, node: Side, case: str, flood: Flood, *, spin: bool) -> Row:
    unit = "deliveries/s" if flood.deliveries else "messages/s"
    with flood.on(chat, spin=spin) as ours, flood.on(node, spin=spin) as theirs:
        return Row(case, unit, *alternate(size.rounds, ours, theirs))


def _rooms_stored(size: Size, chat: Side, node: Side, flood: Flood) -> Iterator[Row]:
    with flood.on(chat) as ours, flood.on(node) as theirs:
        figures = alternate(size.rounds, ours, theirs)
        yield Row("rooms of 2, whole path", "messages/s", *figures)
        both = (partial(side, until_stored=size.messages) for side in (ours, theirs))
        yield Row("rooms of 2, until stored", "messages/s", *alternate(size.rounds, *both))


def _connects(rounds: int, case: str, chat: Side, node: Side, count: int, *, spin: bool) -> Row:
    def on(side: Side) -> Callable[[], Figure]:
        return partial(connects, side, GATHERING, count, spin=spin)

    return Row(case, "connects/s", *alternate(rounds, on(chat), on(node)))
