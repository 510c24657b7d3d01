"""A MongoDB: how it is reached, and what its errors mean."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from nochat.errors import Unavailable
from nochat.stores import ANSWER_SECONDS

Database = AsyncDatabase[dict[str, Any]]

DUPLICATE_KEY = 11000
# What a server refuses a document or a question for, whenever it comes: bad values and types, too
# large, a field's name, a document's shape (MongoDB's src/mongo/base/error_codes.yml).
REFUSED = {2, 9, 14, 22, 28, 40, 51, 52, 56, 57, 121, 10334, 17280, 17419, DUPLICATE_KEY}


def client(url: str) -> AsyncMongoClient[dict[str, Any]]:
    """Return a client that waits for no answer for ever."""
    limit = 1000 * ANSWER_SECONDS
    return AsyncMongoClient(
        url,
        serverSelectionTimeoutMS=3000,
        connectTimeoutMS=limit,
        socketTimeoutMS=limit,
        tz_aware=True,
    )


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Tell what may pass from what never will.

    Raises:
        Unavailable: the server is not there, its disk is full, it is short of something, or it does
            not know us: nothing is wrong with what it was sent.
        PyMongoError: it refuses what it was sent.
    """
    try:
        yield
    except ConnectionFailure as error:
        first = str(error).split(",")[0].partition(" (configured")[0]
        raise Unavailable(
            f"the activity store does not answer ({first}); is it running, and is "
            "NOCHAT_ACTIVITY_URL right?"
        ) from None
    except PyMongoError as error:
        reasons = [text for code, text in _causes(error) if code not in REFUSED]
        if not reasons:
            raise
        raise Unavailable(
            f"the activity store can't do this now ({reasons[0]}); look at its disk and its log"
        ) from None


def _causes(error: PyMongoError) -> Iterator[tuple[int | None, str]]:
    """Yield the codes and texts that an error is made of."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        for failure in (*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())):
            yield failure.get("code"), str(failure.get("errmsg"))
    elif isinstance(error, OperationFailure):
        yield error.code, str((error.details or {}).get("errmsg") or error)
    else:
        yield None, str(error)
