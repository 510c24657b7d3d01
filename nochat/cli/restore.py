"""`nochat restore`: rebuilds a lost activity store from the replica."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import ReplaceOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from nochat.errors import NochatError
from nochat.local import embedded
from nochat.services.replica import MONGODB, url_of
from nochat.settings import Settings
from nochat.stores.activity import DATABASE, RESTORING, ActivityStore
from nochat.stores.archive import Storage, contents, open_storage
from nochat.stores.mongodb import client
from nochat.stores.reindex import MIGRATIONS

MANY = 1000  # events or documents stored at once

Database = AsyncDatabase[dict[str, Any]]
Tell = Callable[[str], None]


async def restore(settings: Settings, source: str, tell: Tell) -> None:
    """Fill the activity store that the settings name; the chat must not run meanwhile.

    After an interruption it can be run again: restored events are skipped.

    Args:
        settings: the settings of the chat.
        source: URL of the replica; empty: the one that the settings name.
        tell: called with lines of progress.

    Raises:
        NochatError: the store is not empty, there is nothing to restore from, or one of the two
            does not answer.
    """
    source = source or url_of(settings)
    if source == settings.activity_url:
        raise NochatError("the replica and the store to fill are the same")
    try:
        if source.startswith(MONGODB):
            async with _database(source) as copy:
                await _check_not_empty(copy)
                async with _emptied(settings) as (_, database):
                    await _from_database(copy, database, tell)
        else:
            files = await _files(open_storage(source))
            async with _emptied(settings) as (store, _):
                await _from_files(open_storage(source), files, store, tell)
    except PyMongoError as error:
        first = str(error).partition(",")[0]
        raise NochatError(
            f"the restore stopped ({first}); repair the cause, and run it again"
        ) from None


# ---- the target ---------------------------------------------------------------------------------


@asynccontextmanager
async def _emptied(settings: Settings) -> AsyncIterator[tuple[ActivityStore, Database]]:
    """Open the empty store to fill, marked as unfinished until the block succeeds."""
    async with (
        embedded.activity_url(settings) as url,
        ActivityStore.opened(url) as store,
        _database(url) as database,
    ):
        if not await database[RESTORING].find_one():
            await _check_empty(database)
            await database[RESTORING].insert_one({})
        await database.drop_collection(MIGRATIONS)  # restored data may have an older version
        yield store, database
        await database.drop_collection(RESTORING)


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    async with client(url) as connected:
        yield connected.get_default_database(DATABASE)


async def _check_empty(database: Database) -> None:
    if full := await _full(database):
        raise NochatError(
            f"the activity store is not empty ({', '.join(full)}); only an empty one can be "
            "restored: set NOCHAT_ACTIVITY_URL to a new database, or move the old one away"
        )


async def _check_not_empty(database: Database) -> None:
    if not await _full(database):
        raise NochatError("there is nothing to restore from: the database is empty")


async def _full(database: Database) -> list[str]:
    """List the chat's collections that are not empty."""
    names = sorted({*await database.list_collection_names()} - {MIGRATIONS})
    return [name for name in names if await database[name].find_one()]


# ---- the source ---------------------------------------------------------------------------------


async def _files(source: Storage) -> list[str]:
    if names := await asyncio.to_thread(source.names):
        return names
    raise NochatError(f"there is nothing to restore from: no file of a replica in {source.shown}")


async def _from_files(source: Storage, names: list[str], store: ActivityStore, tell: Tell) -> None:
    """Record the events of all files, in their order."""
    count = 0
    for number, name in enumerate(names, 1):
        archived = contents(await asyncio.to_thread(source.read, name))
        for reason in archived.unread:
            tell(f"{name}: not read: {reason}")
        for start in range(0, len(archived.events), MANY):
            await store.record(archived.events[start : start + MANY])
        count += len(archived.events)
        tell(f"{count:,} events of {number} of {len(names)} files")


async def _from_database(source: Database, target: Database, tell: Tell) -> None:
    """Copy document by document: both are stores of the same kind."""
    # The rooms first: a room's position must never be ahead of the log.
    names = sorted(await _full(source), key=lambda name: name != "rooms")
    for name in names:
        count, cursor = 0, source[name].find()
        while documents := await cursor.to_list(MANY):
            writes = [
                ReplaceOne({"_id": document["_id"]}, document, upsert=True)
                for document in documents
            ]
            await target[name].bulk_write(writes, ordered=False)
            count += len(documents)
            tell(f"{count:,} documents of {name!r}")
