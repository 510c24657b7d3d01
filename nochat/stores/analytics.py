"""Questions that read much of the activity: what people search for, and what they do.

Each is bounded by what it reads, as not every server stops when it is told to, and is asked in
parts, so that others' questions come in between.
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

MOST_ENTRIES = 5000  # of the log, that the trends count: the newest
MANY = 100  # read at once
NEWEST = (50, 200, 700)  # that are looked through before the index of the embedded server is asked
MOST_CONDITIONS = 3  # on words, for the store: each is a look at all of a message's terms
LAST = "\U0010ffff"  # it follows all that words are made of

Document = dict[str, Any]


async def search(
    database: Database, asked: SearchMessages, rooms: dict[str, int], by_full_text: bool = False
) -> Found:
    """Find messages that hold all these words, the newest first.

    Args:
        database: of the activity.
        asked: the question.
        rooms: those to look in, each with the position up to which its asker may know it.
        by_full_text: whether each message has the words of the embedded server's index.

    Raises:
        RequestFailed: it takes too long.
    """
    words = parse_search(asked.text)
    if not words or not rooms:
        return Found()
    # Also of one: else the embedded server goes through the room, not through what the words find.
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
    """Yield messages that may hold all these words, the newest first.

    Raises:
        OutOfTime: it takes too long; there may be more.
    """
    until, before = time.monotonic() + MOST_SECONDS, asked.before
    some, log = _some(words), database["log"]
    query = rooms | {"terms": _holding(some)}
    # What many say is among the newest. Of what few say, the index knows where all of it is.
    newest, pace = (NEWEST, GENTLE) if by_full_text else (None, BRISK)
    async for portion in portions(log, "at", -1, asked.before, MOST_SECONDS, newest, pace):
        cursor = log.find(query | portion).sort("at", -1)
        cursor = cursor.max_time_ms(int(1000 * MOST_SECONDS))
        if len(some) == len(words):
            cursor = cursor.limit(asked.limit + 1)
        yield await cursor.to_list()
        before = portion.get("at", {}).get("$gte")  # none: that was the last
    if not by_full_text or before is None:
        return
    async for part in full_text.candidates(database, words, rooms, before):
        yield part
        if time.monotonic() > until:
            raise OutOfTime


def _some(words: list[SearchTerm]) -> list[SearchTerm]:
    """Choose the terms that the store looks for, as each costs time: the longest are the rarest."""
    begun = [word for word in words if word.begins][:1]
    whole = sorted(
        (word for word in words if not word.begins), key=lambda word: len(word.term), reverse=True
    )
    return begun + whole[: MOST_CONDITIONS - len(begun)]


def _holding(words: list[SearchTerm]) -> dict[str, Any]:
    """Build the condition on the terms, one for all words: every server is quick at it.

    A beginning is a range, not a pattern: an index answers it, where there is one.
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
    """Count what people do in public rooms since a time, by the newest messages."""
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
    """Find the newest entries since a time, and say whether those are all."""
    fields = dict.fromkeys(("id", "type", "room", "sender", "words", "hour", "at"), 1)
    entries: dict[str, Document] = {}
    at: dict[str, float] = {"$gte": since}
    until = time.monotonic() + MOST_SECONDS
    while len(entries) < MOST_ENTRIES and time.monotonic() < until:
        part = await database["log"].find({"at": at}, fields).sort("at", -1).limit(MANY).to_list()
        known = len(entries)
        # Some may be of the part before: see `$lte`.
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
