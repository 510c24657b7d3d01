"""The bus alone, beside pika's BlockingConnection."""

from collections.abc import Iterator
from functools import partial

from benchmarks import bus
from benchmarks.measure import Size, alternate
from benchmarks.row import Row
from nochat.lab.servers import Server

PUBLISHERS = 100


def rows(size: Size, broker: Server) -> Iterator[Row]:
    """Measure messages through RabbitMQ."""
    blocking = partial(bus.blocking, broker, size.messages)
    for publishers in (1, PUBLISHERS):
        many = size.messages * (20 if publishers > 1 else 1)
        ours = partial(bus.ours, broker, many, publishers)
        figures = alternate(size.rounds, {"nochat.bus": ours, "pika": blocking})
        yield Row("bus", f"{publishers} at a time; pika, one", "messages/s", figures)
