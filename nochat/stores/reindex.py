"""The migration of messages and rooms of older versions, while the service runs.

An interrupted run is continued at the next start; finished steps are recorded in `migrations`. A
message that is changed meanwhile is migrated by its change.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import OperationFailure, PyMongoError

from nochat.domain.emoji import one_spelling
from nochat.domain.search_terms import MOST_TERMS, searchable
from nochat.runtime.background import end
from nochat.stores import documents, full_text
from nochat.stores.mongodb import Database
from nochat.stores.portions import portions

MIGRATIONS = "migrations"
TERMS = "0001-terms"
EDITS = "0002-edits"
BOUNDED = "0003-bounded-terms"
ROOMS = "0004-rooms"
FULL_TEXT = "0005-full-text"  # in the embedded server
OLD_INDEX = "words_1_room_1"
OLD: dict[str, Any] = {"type": documents.MESSAGE, "terms": {"$exists": False}}
# Older versions stored all terms of a message, without a limit, and each search checks them all.
LONG: dict[str, Any] = {
    "type": documents.MESSAGE,
    "text": {"$regex": f"^[\\s\\S]{{{MOST_TERMS}}}"},
}
UNFOUND: dict[str, Any] = {"type": documents.MESSAGE, full_text.FIELD: {"$exists": False}}
MANY = 500  # entries, or rooms, read at once
PAUSE = 5.0  # seconds until a retry after an error of the server

log = logging.getLogger(__name__)

Message = dict[str, Any]


@asynccontextmanager
async def reindexing(
    database: Database, found: Callable[[], None]
) -> AsyncIterator[asyncio.Task[None]]:
    """Reindex in the background until the block ends; yield the task.

    Args:
        database: the activity database.
        found: called when the embedded server's index has all messages.
    """
    task = asyncio.create_task(_persistently(database, found))
    try:
        yield task
    finally:
        await end(task)


async def _persistently(database: Database, found: Callable[[], None]) -> None:
    while True:
        try:
            await forget_edits(database)
            await reindex(database)
            if await _is_done(database, FULL_TEXT):
                found()
            return
        except PyMongoError as error:
            log.warning("the reindexing of older messages waits: %s", error)
        await asyncio.sleep(PAUSE)


async def reindex(database: Database) -> int:
    """Add missing search terms to messages, and normalize the spelling of reactions.

    Returns:
        The number of changed messages.
    """
    count = 0
    if not await _is_done(database, TERMS):
        while changed := await _pass(database, OLD):  # messages changed meanwhile were left out
            count += changed
        if await database["log"].find_one(OLD):
            log.warning("some older messages can't be reindexed; the search misses them")
            return count
        with suppress(OperationFailure):  # the index does not exist
            await database["log"].drop_index(OLD_INDEX)
        await _note(database, TERMS)
    if not await _is_done(database, BOUNDED):
        count += await _pass(database, LONG)  # once: messages changed meanwhile have fewer terms
        await _note(database, BOUNDED)
    if not await _is_done(database, ROOMS):
        await _complete_rooms(database)
        await _note(database, ROOMS)
    if await full_text.is_embedded(database) and not await _is_done(database, FULL_TEXT):
        await _pass(database, UNFOUND)  # once: new messages have the field
        await _note(database, FULL_TEXT)
    return count


async def has_full_text(database: Database) -> bool:
    """Return whether the embedded server's index has all messages."""
    return await _is_done(database, FULL_TEXT) or not await database["log"].find_one()


async def forget_edits(database: Database) -> None:
    """Remove the earlier texts that older versions stored in edits."""
    if await _is_done(database, EDITS):
        return
    texts = {"type": documents.EDIT, "text": {"$exists": True}}
    while edits := await database["log"].find(texts, {"_id": 1}).limit(MANY).to_list():
        without = [UpdateOne({"_id": edit["_id"]}, {"$unset": {"text": ""}}) for edit in edits]
        await database["log"].bulk_write(without, ordered=True)
    await _note(database, EDITS)


async def _is_done(database: Database, name: str) -> bool:
    return bool(await database[MIGRATIONS].find_one({"_id": name}))


async def _note(database: Database, name: str) -> None:
    await database[MIGRATIONS].update_one({"_id": name}, {"$set": {"done": True}}, upsert=True)


async def _complete_rooms(database: Database) -> None:
    """Add the fields for searches and lists to each room."""
    rooms, old = database["rooms"], {"title": {"$exists": True}, "room": {"$exists": False}}
    while part := await rooms.find(old, {"title": 1}).limit(MANY).to_list():
        for room in part:
            there = {"_id": room["_id"], "title": room["title"]}
            by = {"room": room["_id"], "sought": searchable(room["title"])}
            await rooms.update_one(there, {"$set": by})


async def _pass(database: Database, old: dict[str, Any]) -> int:
    """Process the messages once, the oldest first; return the number of changed ones."""
    log_, count = database["log"], 0
    embedded = await full_text.is_embedded(database)
    async for portion in portions(log_, "at", 1, seconds=math.inf):
        writes: list[UpdateOne] = []
        async for message in log_.find(old | portion, {"text": 1, "reactions": 1, "at": 1}):
            new = _writes(message)
            writes += (full_text.with_words(w, message["at"]) for w in new) if embedded else new
            await asyncio.sleep(0)  # let other requests run
        if writes:
            count += (await log_.bulk_write(writes, ordered=True)).modified_count
            log.info("reindexed %d older messages", count)
    return count


def _writes(message: Message) -> Iterator[UpdateOne]:
    """Yield writes of unchanged documents; reactions first, as the terms mark the end."""
    key = {"_id": message["_id"]}
    for old in message.get("reactions") or []:
        if (new := old | {"emoji": one_spelling(old["emoji"])}) != old:
            there = key | {"reactions": {"$elemMatch": old}}
            yield UpdateOne(there, {"$addToSet": {"reactions": new}})
            yield UpdateOne(there, {"$pull": {"reactions": old}})
    text = message["text"]
    yield UpdateOne(key | {"text": text}, {"$set": documents.by_text(text)})
