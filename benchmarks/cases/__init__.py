"""The rows of the table: each module measures one group."""

from collections.abc import Iterator

from benchmarks.cases import bus, path, sockets, start
from benchmarks.measure import Size
from benchmarks.row import Row
from nochat.lab.servers import Server


def rows(size: Size, broker: Server) -> Iterator[Row]:
    """Measure all rows, one at a time."""
    yield from sockets.rows(size)
    yield from bus.rows(size, broker)
    yield from path.rows(size, broker)
    yield from start.rows(size)
