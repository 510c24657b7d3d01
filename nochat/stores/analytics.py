"""Queries that read a lot of the activity: searches and statistics.

Each is bounded by the data it reads, as not every server supports time limits, and is split into
parts, so that other queries can run in between.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

from pymongo.errors import ExecutionTimeout

from nochat.domain.search_terms import SearchTerm, parse_search
from nochat.errors import RequestFailed
from nochat.protocol.envelope import type_of
from nochat.protocol.events import MessageSent, UserConnected
from nochat.protocol.reasons import search_slow_everywhere
from nochat.protocol.requests import Found, SearchMessages, Trends
from nochat.stores import documents, full_text
from nochat.stores.mongodb import Database
from nochat.stores.portions import BRISK, GENTLE, MOST_SECONDS, OutOfTime, portions

MOST_ENTRIES = 5000  # the newest entries of the log, which the trends count
MANY = 100  # entries read at once
NEWEST = (50, 200, 700)  # messages to scan before the embedded server's index is used
MOST_CONDITIONS = 3  # on words in a query: each checks all of a message's terms
LAST = "\U0010ffff"  # it sorts after all characters of words

Document = dict[str, Any]


async def search(
    database: Database, asked: SearchMessages, rooms: dict[str, int], by_full_text: bool = False
) -> Found:
    """Return messages that contain all words of a search, the newest first.

    Args:
        database: the activity database.
        asked: the request.
        rooms: the rooms to search, each with the last position that the user may see.
        by_full_text: whether the embedded server's index has all messages.

    Raises:
        RequestFailed: it takes too long.
    """
    words = parse_search(asked.text)
    if not words or not rooms:
        return Found()
    # `$in` even for one room: otherwise the embedded server scans the room, not the words' matches.
    looked_in: Document = {"room": {"$in": [*rooms]}}
    matches: list[Document] = []
    complete = True
    try:
        async for part in _candidates(database, words, looked_in, asked, by_full_text):
            matches += [document for document in part if _has_all(document.get("terms", ()), words)]
            if len(matches) > asked.limit:
                break
    except (OutOfTime, ExecutionTimeout):
        complete = False
    if not complete and not matches:
        raise RequestFailed(search_slow_everywhere())
    entries = [
        e
        for document in matches[: asked.limit]
        if document["position"] <= rooms[document["room"]]
        if isinstance(e := documents.entry(document), MessageSent)
    ]
    return Found(entries=entries, more=len(matches) > asked.limit or not complete)


async def _candidates(
    database: Database,
    words: list[SearchTerm],
    rooms: Document,
    asked: SearchMessages,
    by_full_text: bool,
) -> AsyncIterator[list[Document]]:
    """Yield messages that may contain all words, the newest first.

    Raises:
        OutOfTime: it takes too long; there may be more.
    """
    until, before = time.monotonic() + MOST_SECONDS, asked.before
    some, log = _some(words), database["log"]
    query = rooms | {"terms": _holding(some)}
    # Frequent words are among the newest messages; the index finds rare ones.
    newest, pace = (NEWEST, GENTLE) if by_full_text else (None, BRISK)
    async for portion in portions(log, "at", -1, asked.before, MOST_SECONDS, newest, pace):
        cursor = log.find(query | portion).sort("at", -1)
        cursor = cursor.max_time_ms(int(1000 * MOST_SECONDS))
        if len(some) == len(words):
            cursor = cursor.limit(asked.limit + 1)
        yield await cursor.to_list()
        before = portion.get("at", {}).get("$gte")  # None after the last portion
    if not by_full_text or before is None:
        return
    async for part in full_text.candidates(database, words, rooms, before):
        yield part
        if time.monotonic() > until:
            raise OutOfTime


def _some(words: list[SearchTerm]) -> list[SearchTerm]:
    """Choose the terms for the query, as each costs time: the longest are the rarest."""
    begun = [word for word in words if word.begins][:1]
    whole = sorted(
        (word for word in words if not word.begins), key=lambda word: len(word.term), reverse=True
    )
    return begun + whole[: MOST_CONDITIONS - len(begun)]


def _holding(words: list[SearchTerm]) -> dict[str, Any]:
    """Return the condition on the terms, one for all words, which every server evaluates quickly.

    A prefix is a range, not a pattern, so that an index can answer it.
    """
    there: dict[str, Any] = {}
    for word in words:
        if word.begins:
            there["$elemMatch"] = {"$gte": word.term, "$lt": word.term + LAST}
        else:
            there.setdefault("$all", []).append(word.term)
    return there


def _has_all(terms: Collection[str], words: list[SearchTerm]) -> bool:
    held = {*terms}
    return all(
        any(term.startswith(word.term) for term in terms) if word.begins else word.term in held
        for word in words
    )


async def trends(database: Database, since: float, limit: int) -> Trends:
    """Return statistics of public rooms since a time, from the newest messages."""
    entries, complete = await _newest(database, since)
    spoken_in = {"_id": {"$in": sorted({entry["room"] for entry in entries})}}
    public = {
        room["_id"]: room.get("title", "")
        async for room in database["rooms"].find(spoken_in, {"title": 1, "kind": 1})
        if room.get("kind") == "public"
    }
    said = [
        entry for entry in entries if entry["type"] == documents.MESSAGE and entry["room"] in public
    ]
    rooms = _most((message["room"] for message in said), limit)
    return Trends(
        users=_most((message["sender"] for message in said), limit),
        rooms=rooms,
        words=_most((word for message in said for word in message.get("words", ())), limit),
        hours=_most((message["hour"] for message in said), 24),
        messages=len(said),
        connections=await _connections(database, since),
        since=since if complete or not entries else entries[-1]["at"],
        titles={room: public[room] for room, _ in rooms},
    )


async def _newest(database: Database, since: float) -> tuple[list[Document], bool]:
    """Return the newest entries since a time, and whether those are all."""
    fields = dict.fromkeys(("id", "type", "room", "sender", "words", "hour", "at"), 1)
    entries: dict[str, Document] = {}
    at: dict[str, float] = {"$gte": since}
    until = time.monotonic() + MOST_SECONDS
    while len(entries) < MOST_ENTRIES and time.monotonic() < until:
        part = await database["log"].find({"at": at}, fields).sort("at", -1).limit(MANY).to_list()
        known = len(entries)
        # Some may be in the part before: see `$lte`.
        entries |= {entry["id"]: entry for entry in part}
        if len(part) < MANY or len(entries) == known:
            return [*entries.values()], True
        at = {"$gte": since, "$lte": part[-1]["at"]}
    return [*entries.values()], False


async def _connections(database: Database, since: float) -> int:
    match = {"at": {"$gte": since}, "type": type_of(UserConnected)}
    count = [{"$match": match}, {"$group": {"_id": "$type", "count": {"$sum": 1}}}]
    cursor = await database["connections"].aggregate(count, maxTimeMS=int(1000 * MOST_SECONDS))
    return sum([document["count"] async for document in cursor])


def _most(values: Iterable[Any], limit: int) -> list[tuple[Any, int]]:
    """Count values; the most frequent first, and equally frequent ones in their order."""
    return sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
