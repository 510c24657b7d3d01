"""The recording of events: each is stored once, even if it is redelivered."""

import logging
from collections.abc import Iterable
from typing import Any, cast

from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from nochat.errors import Fatal, NochatError
from nochat.protocol.events import Event, UserErased
from nochat.protocol.requests import MessageKey
from nochat.stores import documents, messages
from nochat.stores.erasures import erase
from nochat.stores.full_text import completed
from nochat.stores.mongodb import DUPLICATE_KEY, Database

log = logging.getLogger(__name__)


async def record(db: Database, events: Iterable[Event], full_text: bool = False) -> None:
    """Store events, in order; events that are already stored are skipped.

    Args:
        db: the activity database.
        events: the events.
        full_text: whether the server is the embedded one, with its own index of words.

    Raises:
        Fatal: another event is stored at the position of one of these.
        NochatError: the store can't distinguish a message's id from a stored one.
    """
    writes: dict[str, list[Any]] = {}
    erasures = []
    for event in events:
        for collection, operation in documents.writes(event):
            writes.setdefault(collection, []).append(operation)
        if isinstance(event, UserErased):
            erasures.append(event)
    # The log first: a room's position must never be ahead of it.
    await write(db, "log", writes.pop("log", []), full_text)
    for erasure in erasures:  # last: earlier changes of the batch may contain the name
        await erase(db["log"], erasure)
    for collection, of_it in writes.items():
        await write(db, collection, of_it)


async def write(db: Database, collection: str, writes: list[Any], full_text: bool = False) -> None:
    """Insert new documents, then apply changes, which may be to them; existing documents stay."""
    inserts = [operation for operation in writes if isinstance(operation, InsertOne)]
    changes = [operation for operation in writes if not isinstance(operation, InsertOne)]
    if full_text:
        inserts = await completed(db, inserts)
    try:
        if inserts:
            await db[collection].bulk_write(inserts, ordered=False)
    except BulkWriteError as error:
        failures = (error.details or {})["writeErrors"]
        if any(failure["code"] != DUPLICATE_KEY for failure in failures):
            raise
        if collection == "log":
            await _check_same(db, [inserts[failure["index"]]._doc for failure in failures])
    if full_text:
        changes = await completed(db, changes)
    if changes:
        await db[collection].bulk_write(folded(changes), ordered=True)


def folded(changes: list[Any]) -> list[Any]:
    """Join changes that only raise a document's `position`: a room's or a reading position.

    A batch of messages to one room is one change of the room, not one for each message.
    """
    kept: list[Any] = []
    raised: dict[tuple[tuple[str, Any], ...], int] = {}  # index in `kept`, by document
    for change in changes:
        if not isinstance(change, UpdateOne):
            raised.clear()  # changes after a deletion must stay after it
        elif change._upsert and "$max" in (new := _change(change)):
            key = tuple(change._filter.items())
            if new.keys() == {"$max"} and (place := raised.get(key)) is not None:
                kept[place] = _raised(kept[place], new["$max"]["position"])
                continue
            raised[key] = len(kept)
        kept.append(change)
    return kept


def _raised(change: UpdateOne, position: int) -> UpdateOne:
    new = _change(change)
    most = {"position": max(position, new["$max"]["position"])}
    return UpdateOne(change._filter, new | {"$max": most}, upsert=True)


def _change(change: UpdateOne) -> dict[str, Any]:
    return cast(dict[str, Any], change._doc)  # none of ours is a pipeline


async def _check_same(db: Database, documents: list[dict[str, Any]]) -> None:
    """Check that existing events are the same as these, and not another chat's.

    Raises:
        Fatal: an existing event is another one.
        NochatError: an existing message has an id that the store can't distinguish from this one's.
    """
    by_place = {(document["room"], document["position"]): document for document in documents}
    for room in {room for room, _ in by_place}:
        positions = sorted(position for name, position in by_place if name == room)
        for first, last in messages.runs(positions):
            query = {"room": {"$eq": room}, "position": {"$gte": first, "$lte": last}}
            async for entry in db["log"].find(query, {"room": 1, "position": 1, "id": 1}):
                ours = by_place.pop((room, entry["position"]), entry)
                if ours["id"] != entry["id"]:
                    raise Fatal(
                        f"room {room!r} has two entries at position {entry['position']}: two "
                        "chats write to one activity store. Stop one of them, or give it "
                        "its own store (NOCHAT_ACTIVITY_URL)"
                    )
    for (room, position), ours in by_place.items():
        if not await messages.find(db, [MessageKey(room, ours["sender"], ours["client_id"])]):
            raise NochatError(
                f"the activity store takes entry {position} of room {room!r} for another: it "
                f"can't tell the message's id, {ours['client_id']!r}, from one that it has"
            )
        log.error("entry %d of room %r is a duplicate of another message", position, room)
