"""The log of accounts: log-ins, failures, log-outs and changes of roles, kept for some days."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from nochat.protocol.requests import AccountEntries, AccountEntry, GetAccountEvents
from nochat.runtime.background import end
from nochat.stores.documents import ACCOUNT_EVENTS, mark
from nochat.stores.mongodb import Database

EVERY = 3600.0  # seconds between two deletions of old entries
A_DAY = 86_400.0

log = logging.getLogger(__name__)


async def index(database: Database) -> None:
    """Create the indexes: for all entries, for one account, for one type."""
    events = database[ACCOUNT_EVENTS]
    await events.create_index([("mark", ASCENDING)])
    for field in ("user", "type"):
        await events.create_index([(field, ASCENDING), ("mark", ASCENDING)])
    await events.create_index([("by", ASCENDING)])


async def find(database: Database, asked: GetAccountEvents) -> AccountEntries:
    """Return entries of the log of accounts, the newest first."""
    wanted = {"user": asked.user, "type": asked.event}
    query: dict[str, Any] = {name: {"$eq": value} for name, value in wanted.items() if value}
    if asked.before:
        query["mark"] = {"$lt": asked.before}
    cursor = database[ACCOUNT_EVENTS].find(query).sort("mark", -1)
    documents = await cursor.limit(asked.limit + 1).to_list()
    entries = [_entry(document) for document in documents[: asked.limit]]
    return AccountEntries(entries=entries, more=len(documents) > asked.limit)


def _entry(document: dict[str, Any]) -> AccountEntry:
    return msgspec.convert(document | {"event": document["type"]}, AccountEntry, strict=False)


async def forget(database: Database, days: float, now: float) -> None:
    """Delete entries of accounts and connections that are older than some days."""
    oldest = now - days * A_DAY
    await database[ACCOUNT_EVENTS].delete_many({"mark": {"$lt": mark(oldest)}})
    await database["connections"].delete_many({"at": {"$lt": oldest}})


@asynccontextmanager
async def forgetting(database: Database, days: float) -> AsyncIterator[None]:
    """Delete old entries in the background, until the block ends; with 0 days, none."""
    task = asyncio.create_task(_keep_forgetting(database, days)) if days else None
    try:
        yield
    finally:
        if task:
            await end(task)


async def _keep_forgetting(database: Database, days: float) -> None:
    while True:
        try:
            await forget(database, days, time.time())
        except PyMongoError as error:  # the next deletion includes these
            log.warning("the deletion of old log entries waits: %s", error)
        await asyncio.sleep(EVERY)
