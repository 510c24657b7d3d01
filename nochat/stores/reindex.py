"""Brings what older versions stored of messages up to date, while the service is at work.

A run that was interrupted is taken up at the next start, and when all is done, `migrations` notes
it. A message that is changed meanwhile is left to its change.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from nochat.emoji import one_spelling
from nochat.stores import documents

MIGRATIONS = "migrations"
TERMS = "0001-terms"
EDITS = "0002-edits"
OLD_INDEX = "words_1_room_1"
MANY = 500  # messages read and written at once
PAUSE = 5.0  # seconds until it tries again, where the server was away

log = logging.getLogger(__name__)

Database = AsyncDatabase[dict[str, Any]]
Message = dict[str, Any]


@asynccontextmanager
async def reindexing(database: Database) -> AsyncIterator[asyncio.Task[None]]:
    """Reindex in the background, in the task that is given, until the block ends."""
    task = asyncio.create_task(_persistently(database))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _persistently(database: Database) -> None:
    while True:
        try:
            await forget_edits(database)
            await reindex(database)
            return
        except PyMongoError as error:
            log.warning("older messages wait to be brought up to date: %s", error)
        await asyncio.sleep(PAUSE)


async def reindex(database: Database) -> int:
    """Give each message the terms by which it is found, and each reaction one spelling.

    Returns:
        How many messages were changed.
    """
    if await database[MIGRATIONS].find_one({"_id": TERMS}):
        return 0
    count = 0
    while changed := await _pass(database):  # again: what was changed meanwhile was left out
        count += changed
    if await database["log"].find_one(_old()):
        log.warning("some older messages can't be brought up to date; the search misses them")
        return count
    with suppress(OperationFailure):  # there is none
        await database["log"].drop_index(OLD_INDEX)
    await database[MIGRATIONS].update_one({"_id": TERMS}, {"$set": {"done": True}}, upsert=True)
    return count


async def forget_edits(database: Database) -> None:
    """Take out of older edits what was edited away, which nobody is given any more."""
    if await database[MIGRATIONS].find_one({"_id": EDITS}):
        return
    texts = {"type": documents.EDIT, "text": {"$exists": True}}
    while found := await database["log"].find(texts, {"_id": 1}).limit(MANY).to_list():
        without = [UpdateOne({"_id": each["_id"]}, {"$unset": {"text": ""}}) for each in found]
        await database["log"].bulk_write(without, ordered=True)
    await database[MIGRATIONS].update_one({"_id": EDITS}, {"$set": {"done": True}}, upsert=True)


def _old() -> dict[str, Any]:
    return {"type": documents.MESSAGE, "terms": {"$exists": False}}


async def _pass(database: Database) -> int:
    """Go over the messages once, in the order of their ids; returns how many were changed."""
    log_, last, count = database["log"], None, 0
    while True:
        query = _old() | ({"_id": {"$gt": last}} if last else {})
        found = (
            await log_.find(query, {"text": 1, "reactions": 1}).sort("_id").limit(MANY).to_list()
        )
        if not found:
            return count
        writes = [write for message in found for write in _writes(message)]
        count += (await log_.bulk_write(writes, ordered=True)).modified_count
        last = found[-1]["_id"]
        log.info("the search knows %d older messages", count)


def _writes(message: Message) -> Iterator[UpdateOne]:
    """Only what is still as it was read is changed; the reactions first, as the terms end it."""
    key = {"_id": message["_id"]}
    for old in message.get("reactions") or []:
        if (new := old | {"emoji": one_spelling(old["emoji"])}) != old:
            there = key | {"reactions": {"$elemMatch": old}}
            yield UpdateOne(there, {"$addToSet": {"reactions": new}})
            yield UpdateOne(there, {"$pull": {"reactions": old}})
    text = message["text"]
    yield UpdateOne(key | {"text": text}, {"$set": documents.by_text(text)})
