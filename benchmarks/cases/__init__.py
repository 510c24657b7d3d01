"""The table's rows: each module measures one group of them."""

from collections.abc import Iterator

from benchmarks.cases import bus, growth, path, sockets, start
from benchmarks.measure import Size
from benchmarks.row import Row
from nochat.lab import servers


def rows(size: Size) -> Iterator[Row]:
    """Measure everything, a row at a time."""
    yield from sockets.rows(size)
    with servers.rabbitmq() as broker:
        yield from bus.rows(size, broker)
        yield from path.rows(size, broker)
        yield from growth.rows(size, broker)
    yield from start.rows(size)
