"""Queries without an index, in portions, so that other queries can run in between.

Not every server supports time limits, and a busy one answers no other query: so portions are small
if they are slow, and a query takes no longer than `MOST_SECONDS`.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

MOST_SECONDS = 2.0  # for one query
# Seconds for a portion: after a faster one, the next is larger, after a slower one smaller.
GENTLE = 0.005, 0.015  # if other queries wait meanwhile
BRISK = 0.05, 0.2  # if they do not
FIRST, LEAST, MOST = 50, 10, 50_000  # documents of a portion


class OutOfTime(Exception):
    """The portions took too long; there are more."""


async def portions(
    collection: AsyncCollection[dict[str, Any]],
    field: str,
    direction: int,
    past: Any = None,
    seconds: float | None = None,
    sizes: Sequence[int] | None = None,
    pace: tuple[float, float] = GENTLE,
) -> AsyncIterator[dict[str, Any]]:
    """Yield queries that together cover a collection, each for its next documents.

    Args:
        collection: the collection.
        field: the indexed field that orders the documents.
        direction: 1, or -1 for descending order.
        past: the value to start after; None for the beginning.
        seconds: the time limit; None for `MOST_SECONDS`.
        sizes: the sizes of the portions, which also limit their number; None for adaptive sizes.
        pace: bounds on the time of a portion.

    Raises:
        OutOfTime: it takes too long.
    """
    beyond, until_there = ("$gt", "$lte") if direction == 1 else ("$lt", "$gte")
    quick, slow = pace
    given = None if sizes is None else iter(sizes)
    size, until = FIRST, time.monotonic() + (MOST_SECONDS if seconds is None else seconds)
    while time.monotonic() < until:
        if given and not (size := next(given, 0)):
            return
        began = time.monotonic()
        rest = {} if past is None else {field: {beyond: past}}
        ordered = collection.find(rest, {field: 1}).sort(field, direction)
        if not (edge := await ordered.skip(size - 1).limit(1).to_list()):
            yield rest
            return
        last = edge[0][field]
        yield {field: rest.get(field, {}) | {until_there: last}}
        took, past = time.monotonic() - began, last
        if took < quick:
            size = min(4 * size, MOST)
        elif took > slow:
            size = max(size // 4, LEAST)
    raise OutOfTime
