"""The index of terms in the embedded server, whose other indexes reach into no array.

MongoDB itself indexes each term of the array `terms`. The embedded server's index of an array is
one of its text as a whole, so a search by it reads every message. It has full-text indexes, of
SQLite's FTS5: there each message has its terms once more as one text, `found`, of words that such
an index takes as they are. The beginnings of a term, which a short term is itself, and a stretch of
time are words of their own, as the server looks for no beginnings, and reads all that it finds
before it puts that in order.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

from pymongo import TEXT, InsertOne, UpdateOne

from nochat.domain.search_terms import SearchTerm
from nochat.stores.mongodb import Database

EMBEDDED = "nx_27017"
STRETCH = 2**21  # seconds, 24 days: no question finds more than was said in one
FIRST = 50  # messages of the first answer to a question; of each that follows, twice as many
LONGEST_BEGINNING = 5  # characters; longer ones are found by these, and compared
MOST_OF_ONE_LETTER = 100  # terms; a message with more is not found by a first letter alone
FIELD = "found"
USELESS = "idx_log_terms_room"  # of the text of whole arrays; by the name that SQLite knows
WHOLE, BEGINNING, SPAN = "0", "1", "2"  # how the words of `found` begin, by what they tell
LINE = str.maketrans("_", "\u203f")  # the one character of terms that ends a word

Document = dict[str, Any]


async def is_embedded(db: Database) -> bool:
    """Tell whether the server is the embedded one."""
    return (await db.client.admin.command("buildInfo")).get("process") == EMBEDDED


async def index(db: Database) -> None:
    """Make the index, if it is not there: a second time, the server would add all once more."""
    if not [index async for index in await db["log"].list_search_indexes()]:
        # By this one, SQLite takes the words apart at characters of ASCII alone.
        await db["log"].create_index([(FIELD, TEXT)], tokenizer="ascii")


def text(terms: Iterable[str], at: float) -> str:
    """Return the words that find a message of a time; a message without terms has none."""
    every = [term.translate(LINE) for term in terms]
    shortest = 1 if len(every) <= MOST_OF_ONE_LETTER else 2
    words = dict[str, None]()
    for word in every:
        if len(word) > LONGEST_BEGINNING:
            words[WHOLE + word] = None
        for end in range(min(shortest, len(word)), min(len(word), LONGEST_BEGINNING) + 1):
            words[BEGINNING + word[:end]] = None
    return " ".join([*words, _span(at)]) if words else ""


def _span(at: float) -> str:
    return f"{SPAN}{int(at // STRETCH)}"


async def completed(db: Database, writes: Sequence[Any]) -> list[Any]:
    """Add the words to new messages, and to new texts of messages that are in the log."""
    return [
        with_words(write, await _sent(db, write)) if _terms(write) is not None else write
        for write in writes
    ]


def with_words(write: Any, at: float) -> Any:
    """Add the words to a write of a message that was sent at a time."""
    if (terms := _terms(write)) is None:
        return write
    found = {FIELD: text(terms, at)}
    if isinstance(write, InsertOne):
        return InsertOne({**write._doc, **found})
    change = {**write._doc, "$set": write._doc["$set"] | found}
    return UpdateOne(write._filter, change, upsert=write._upsert)


def _terms(write: Any) -> list[str] | None:
    """Return the terms that a write stores; None: it leaves them as they are."""
    new: dict[str, Any] = {}
    if isinstance(write, InsertOne):
        new = write._doc
    elif isinstance(write, UpdateOne):
        new = cast(dict[str, Any], write._doc).get("$set", {})
    return new.get("terms")


async def _sent(db: Database, write: Any) -> float:
    """Return when the message was sent that a write is of; an edit's own time is another."""
    if isinstance(write, InsertOne):
        return float(write._doc["at"])
    place = {name: write._filter[name] for name in ("room", "position")}
    message = await db["log"].find_one(place, {"at": 1}) if _terms(write) else None
    return float(message["at"]) if message else 0.0


async def candidates(
    db: Database, words: Sequence[SearchTerm], rooms: Document, before: float
) -> AsyncIterator[list[Document]]:
    """Yield messages that may hold all these words, the newest first.

    Each question is of one stretch of time, and yields some of what was said in it.

    Args:
        db: of the activity.
        words: that are searched for.
        rooms: the condition on the room.
        before: a time; the messages before it are searched.
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
            # Once more what is of the very time of the last, as there may be more of it.
            seen |= {message["id"] for message in page}
            beyond, size = {"$lte": page[-1]["at"]}, 2 * size
        beyond = {"$lt": at // STRETCH * STRETCH}


def _searched(word: SearchTerm) -> str:
    term = word.term.translate(LINE)
    if word.begins or len(term) <= LONGEST_BEGINNING:
        return BEGINNING + term[:LONGEST_BEGINNING]
    return WHOLE + term
