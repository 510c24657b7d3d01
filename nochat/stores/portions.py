"""Queries without an index, in portions, so that others' queries get their turn in between.

Not every server stops when it is told to, and one that is busy answers nobody: so each portion is a
small one, as long as these take long, and a question takes no longer than `MOST_SECONDS`.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

MOST_SECONDS = 2.0  # for one question
# Seconds for a portion: after a quicker one, the next is larger, after a slower one smaller.
GENTLE = 0.005, 0.015  # where others wait meanwhile
BRISK = 0.05, 0.2  # where they do not
FIRST, LEAST, MOST = 50, 10, 50_000  # documents of a portion


class OutOfTime(Exception):
    """The portions took too long; there are more."""


async def portions(
    collection: AsyncCollection[dict[str, Any]],
    field: str,
    direction: int,
    past: Any = None,
    seconds: float = MOST_SECONDS,
    sizes: Sequence[int] | None = None,
    pace: tuple[float, float] = GENTLE,
) -> AsyncIterator[dict[str, Any]]:
    """Yield queries that together cover a collection, each for its next documents.

    Args:
        collection: what to look through.
        field: by which the documents are in order; it has an index.
        direction: 1, or -1 for the last ones first.
        past: the value to begin after; None: at the beginning.
        seconds: how long it may take.
        sizes: of the portions, if there are to be so many; None: all that it takes.
        pace: how long a portion may take.

    Raises:
        OutOfTime: it takes too long.
    """
    beyond, until_there = ("$gt", "$lte") if direction == 1 else ("$lt", "$gte")
    quick, slow = pace
    given = None if sizes is None else iter(sizes)
    size, until = FIRST, time.monotonic() + seconds
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
