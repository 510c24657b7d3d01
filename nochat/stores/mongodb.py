"""MongoDB: its client, and the meaning of its errors."""

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
# Permanent errors of a document or a query: bad values and types, size, a field's name, a
# document's shape (MongoDB's src/mongo/base/error_codes.yml).
REFUSED = {2, 9, 14, 22, 28, 40, 51, 52, 56, 57, 121, 10334, 17280, 17419, DUPLICATE_KEY}


def client(url: str) -> AsyncMongoClient[dict[str, Any]]:
    """Return a client with timeouts."""
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
    """Distinguish temporary errors from permanent ones.

    Raises:
        Unavailable: the server does not answer, its disk is full, it lacks resources, or it refuses
            our credentials: the operation itself is valid.
        PyMongoError: it refuses the operation itself.
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
    """Yield the codes and texts of an error's causes."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        for failure in (*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())):
            yield failure.get("code"), str(failure.get("errmsg"))
    elif isinstance(error, OperationFailure):
        yield error.code, str((error.details or {}).get("errmsg") or error)
    else:
        yield None, str(error)
