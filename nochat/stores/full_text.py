"""The full-text index of terms in the embedded server, whose other indexes do not support arrays.

MongoDB itself indexes each term of the array `terms`. The embedded server indexes an array as one
text, so a search by it would read every message. But it has full-text indexes by SQLite's FTS5: for
those, each message has its terms again as one text, `found`, of words that FTS5 does not split.
Prefixes of terms and spans of time are words as well, because the server supports no prefix
queries, and reads all matches before it sorts them.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

from pymongo import TEXT, InsertOne, UpdateOne

from nochat.domain.search_terms import SearchTerm
from nochat.stores.mongodb import Database

EMBEDDED = "nx_27017"
STRETCH = 2**21  # seconds (24 days) of the span of one query
FIRST = 50  # messages of the first page of a span; each further page has twice as many
# Lengths of prefixes that are words, too: a prefix is found by the longest of these, and compared.
PREFIXES = (1, 2, 3, 4, 5, 7, 10, 14, 20)
SHORT = 5  # characters of a term that is found as a prefix of itself
MOST_OF_ONE_LETTER = 100  # terms; longer messages are not found by a single letter
FIELD = "found"
USELESS = "idx_log_terms_room"  # SQLite's name of an older index of whole arrays
WHOLE, BEGINNING, SPAN = "0", "1", "2"  # prefixes of the words of `found`, by kind
LINE = str.maketrans("_", "\u203f")  # the only character of terms at which FTS5 splits

Document = dict[str, Any]


async def is_embedded(db: Database) -> bool:
    """Return whether the server is the embedded one."""
    return (await db.client.admin.command("buildInfo")).get("process") == EMBEDDED


async def index(db: Database) -> None:
    """Create the index if it does not exist: the server would otherwise add all messages again."""
    if not [index async for index in await db["log"].list_search_indexes()]:
        # With this tokenizer, SQLite splits words at ASCII characters alone.
        await db["log"].create_index([(FIELD, TEXT)], tokenizer="ascii")


def text(terms: Iterable[str], at: float) -> str:
    """Return the words of a message sent at a time, for `found`; none without terms."""
    every = [term.translate(LINE) for term in terms]
    shortest = 1 if len(every) <= MOST_OF_ONE_LETTER else 2
    words = dict[str, None]()
    for word in every:
        if len(word) > SHORT:
            words[WHOLE + word] = None
        for end in PREFIXES:
            if min(shortest, len(word)) <= end <= len(word):
                words[BEGINNING + word[:end]] = None
    return " ".join([*words, _span(at)]) if words else ""


def _span(at: float) -> str:
    return f"{SPAN}{int(at // STRETCH)}"


async def completed(db: Database, writes: Sequence[Any]) -> list[Any]:
    """Return writes with the words added to new messages, and to new texts of stored messages."""
    return [
        with_words(write, await _sent(db, write)) if _terms(write) is not None else write
        for write in writes
    ]


def with_words(write: Any, at: float) -> Any:
    """Return a write of a message sent at a time, with its words added."""
    if (terms := _terms(write)) is None:
        return write
    found = {FIELD: text(terms, at)}
    if isinstance(write, InsertOne):
        return InsertOne({**write._doc, **found})
    change = {**write._doc, "$set": write._doc["$set"] | found}
    return UpdateOne(write._filter, change, upsert=write._upsert)


def _terms(write: Any) -> list[str] | None:
    """Return the terms that a write stores, or None if it does not change them."""
    new: dict[str, Any] = {}
    if isinstance(write, InsertOne):
        new = write._doc
    elif isinstance(write, UpdateOne):
        new = cast(dict[str, Any], write._doc).get("$set", {})
    return new.get("terms")


async def _sent(db: Database, write: Any) -> float:
    """Return the time at which a write's message was sent, which is not the time of an edit."""
    if isinstance(write, InsertOne):
        return float(write._doc["at"])
    place = {name: write._filter[name] for name in ("room", "position")}
    message = await db["log"].find_one(place, {"at": 1}) if _terms(write) else None
    return float(message["at"]) if message else 0.0


async def candidates(
    db: Database, words: Sequence[SearchTerm], rooms: Document, before: float
) -> AsyncIterator[list[Document]]:
    """Yield messages that may contain all words, the newest first.

    Each query covers one span of time, and returns a page of its messages.

    Args:
        db: the activity database.
        words: the words to search for.
        rooms: the condition on the room.
        before: a time; only earlier messages are searched.
    """
    searched = " ".join(f'"{_searched(word)}"' for word in words)
    seen = set[str]()
    beyond: Document = {"$lt": before}
    while last := await db["log"].find({"at": beyond}, {"at": 1}).sort("at", -1).limit(1).to_list():
        at, size = last[0]["at"], FIRST
        said: Document = {"$text": {"$search": f'{searched} "{_span(at)}"'}} | rooms
        while True:
            page = await db["log"].find(said | {"at": beyond}).sort("at", -1).limit(size).to_list()
            yield [message for message in page if message["id"] not in seen]
            if len(page) < size:
                break
            # Repeat messages of the last one's time, as there may be more of them.
            seen |= {message["id"] for message in page}
            beyond, size = {"$lte": page[-1]["at"]}, 2 * size
        beyond = {"$lt": at // STRETCH * STRETCH}


def _searched(word: SearchTerm) -> str:
    term = word.term.translate(LINE)
    if word.begins or len(term) <= SHORT:
        return BEGINNING + term[: max(end for end in PREFIXES if end <= len(term))]
    return WHOLE + term
