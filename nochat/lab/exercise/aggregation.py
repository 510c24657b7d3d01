"""The exercise 03a: who writes most in each room, by an aggregation."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo import InsertOne, UpdateOne
from pymongo.command_cursor import CommandCursor

from nochat.domain.text import DELETED
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.protocol.events import (
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomEvent,
    RoomJoined,
    UserErased,
)
from nochat.stores import documents

PEOPLE = ("ana", "bob", "cleo", "dora", "eve", "finn", "gus")
ROOMS = ("attic", "balcony", "cellar", "garden", "hall", "kitchen")
SECONDS = 10  # in which an answer ends
MOST = 7  # messages of the one who writes most in a room

Document = dict[str, Any]


@dataclass
class Log:
    """A random log, and what is true of it.

    Attributes:
        documents: as the chat's store would hold them.
        live: by room and sender, the messages that were not deleted.
        written: by room and sender, all messages.
    """

    documents: list[Document] = field(default_factory=list)
    live: dict[str, Counter[str]] = field(default_factory=dict)
    written: dict[str, Counter[str]] = field(default_factory=dict)

    def most(self, room: str) -> tuple[str, int]:
        """Return who writes most in a room, and how many messages."""
        return self.live[room].most_common(1)[0]

    def everywhere(self, sender: str) -> set[int]:
        """Return how many messages of a sender there are in all rooms, with and without deleted."""
        return {
            sum(count[sender] for count in counts.values()) for counts in (self.live, self.written)
        }


@exercise(
    "03a",
    "who writes most in each room, by an aggregation",
    untouched="Your pipeline has no stages yet.",
    asked="`most` holds no stages, but what came out of them: that is what your own log answered. "
    "The judge has another log, so it needs the stages. Does `most` hold the list, without "
    "`db.log.aggregate`?",
    constant="`{text}` itself stands in your answer, not what is in that field. The stand-in for "
    "MongoDB takes an `_id` of several fields for a constant: look at what the task says of it.",
    mixed="{seen} is about all rooms together. By what must you group, to count in each room?",
    several="{room} is in your answer {times} times. Which stage keeps one document of each room, "
    "and in which order must it get them?",
    missing="Your answer says nothing about {room}, where {sender} wrote {count} messages.",
    fields="Your answer for {room} has no `{field}`: {seen}. Which accumulator takes a field of "
    "the first document along when you group?",
    deleted="In {room} you count {count} messages of {sender}, and {gone} of them were deleted. "
    "What does the store change in the document of a deleted message?",
    kinds="In {room} you count {count} entries of {sender}, and not all of them are messages. "
    "Which other types are in the log, and which field do they lack?",
    wrong="In {room} you name {sender} with {count}, who wrote {truth} messages there. Is that the "
    "most? Look at what comes out of each of your stages.",
    failed="Your answer ended with an error: {error}",
)
async def most_in_each_room(answer: Any, *, url: str) -> None:
    """Judge a pipeline, or a function of the collection, on a log of the judge's own."""
    await asyncio.to_thread(_judge, answer, url)


def _judge(answer: Any, url: str) -> None:
    if _is_answer(answer):
        raise Mistake("asked")
    stages = [stage for stage in answer if stage is not ...] if isinstance(answer, list) else []
    if not stages and not callable(answer):
        raise Mistake("untouched")
    made = _made(random.SystemRandom())
    with pymongo.MongoClient[Document](
        url, serverSelectionTimeoutMS=5000, socketTimeoutMS=1000 * SECONDS
    ) as client:
        database = client[f"judge-{secrets.token_hex(6)}"]
        try:
            database["log"].insert_many(made.documents)
            with told("failed"):
                log = database["log"]
                rows = answer(log) if callable(answer) else log.aggregate(stages)
                found = [_flat(row) for row in rows]
        finally:
            client.drop_database(database.name)
    _compare(found, made)


def _is_answer(answer: Any) -> bool:
    """Return whether these are documents that somebody has asked for, and no stages."""
    if isinstance(answer, CommandCursor):
        return True
    rows = [row for row in answer if isinstance(row, Mapping)] if isinstance(answer, list) else []
    return bool(rows) and not any(str(key).startswith("$") for row in rows for key in row)


def _flat(row: Mapping[str, Any]) -> Document:
    """Return a row with its fields and those of documents in it; a room may be its `_id`."""
    flat: Document = {}
    for inner in row.values():
        if isinstance(inner, Mapping):
            flat |= _flat(inner)
    flat |= {name: value for name, value in row.items() if not isinstance(value, Mapping)}
    return {"room": flat.get("_id"), **flat}


# ---- a log --------------------------------------------------------------------------------------


def _made(chance: random.Random) -> Log:
    """Make a log in which each known mistake has another result than the truth."""
    log = Log()
    rooms = ["lobby", *chance.sample(ROOMS, 2)]
    people = [*chance.sample(PEOPLE, 4), DELETED + f"{chance.getrandbits(64):016x}"]
    winners = chance.sample(people, len(rooms))
    for room, winner in zip(rooms, winners, strict=True):
        others = chance.sample([name for name in people if name != winner], len(people) - 1)
        fewer = chance.sample(range(1, MOST), len(others))
        counts = log.live[room] = Counter({winner: MOST, **dict(zip(others, fewer, strict=True))})
        # With what was deleted, another one would have the most.
        loud = chance.choice(others)
        gone = Counter({loud: MOST - counts[loud] + chance.randint(1, 2)})
        log.written[room] = counts + gone
        log.documents += _stored(list(_told(room, people, counts, gone, chance)))
    chance.shuffle(log.documents)
    return log


def _told(
    room: str, people: list[str], live: Counter[str], gone: Counter[str], chance: random.Random
) -> Iterator[RoomEvent]:
    """Yield what happened in a room: more edits than anybody has messages, and other entries."""
    said = [(name, False) for name in live.elements()] + [(name, True) for name in gone.elements()]
    chance.shuffle(said)
    yield RoomCreated(room, 1, people[0], room.title())
    position = 1
    for name in people:
        yield RoomJoined(room, position := position + 1, name)
    first = position + 1
    for name, _ in said:
        position += 1
        yield MessageSent(room, position, name, f"c{position}", f"Hello {position}")
    for number, (name, is_gone) in enumerate(said):
        if is_gone:
            yield MessageDeleted(room, position := position + 1, name, first + number)
    there = [number for number, (_, is_gone) in enumerate(said) if not is_gone]
    for number in chance.sample(there, MOST + 2):
        yield MessageEdited(room, position := position + 1, said[number][0], first + number, "Hi")
        yield ReactionChanged(room, position := position + 1, people[0], first + number, "👍", True)
    yield UserErased(room, position + 1, "zoe", people[-1])


def _stored(events: list[RoomEvent]) -> list[Document]:
    """Return the documents that the store makes of events, with their later changes."""
    by_position: dict[int, Document] = {}
    for event in events:
        for collection, operation in documents.writes(event):
            if collection != "log":
                continue
            if isinstance(operation, InsertOne):
                by_position[event.position] = dict(operation._doc)
            elif isinstance(operation, UpdateOne) and isinstance(operation._doc, Mapping):
                by_position[event.target].update(operation._doc.get("$set", {}))  # type: ignore[attr-defined]
    return [*by_position.values()]


# ---- the comparison -----------------------------------------------------------------------------


def _compare(found: list[Document], log: Log) -> None:
    for row in found:
        for value in row.values():
            if isinstance(value, str) and value.startswith("$"):
                raise Mistake("constant", text=value)
    for row in found:
        if joined := [room for room in str(row["room"]).split() if room in log.live][:1]:
            if joined != [row["room"]]:  # the text that was made of room and sender
                raise Mistake("fields", room=joined[0], field="room", seen=_shown(row))
        else:
            raise Mistake("mixed", seen=_shown(row))
    times = Counter(str(row["room"]) for row in found)
    for room in log.live:
        if times[room] > 1:
            raise Mistake("several", room=room, times=times[room])
        if not times[room]:
            sender, count = log.most(room)
            raise Mistake("missing", room=room, sender=sender, count=count)
    for row in found:
        _compare_room(row, log)


def _compare_room(row: Document, log: Log) -> None:
    room = row["room"]
    for name in ("sender", "count"):
        if name not in row:
            raise Mistake("fields", room=room, field=name, seen=_shown(row))
    sender, count = row["sender"], row["count"]
    if (sender, count) == log.most(room):
        return
    seen = {"room": room, "sender": sender, "count": count}
    live, written = log.live[room][str(sender)], log.written[room][str(sender)]
    if sender is None:
        raise Mistake("kinds", **seen | {"sender": "nobody"})
    if count == written != live:
        raise Mistake("deleted", **seen, gone=written - live)
    if count in log.everywhere(str(sender)):
        raise Mistake("mixed", seen=_shown(row))
    if isinstance(count, int) and count > written:
        raise Mistake("kinds", **seen)
    raise Mistake("wrong", **seen, truth=live)


def _shown(row: Document) -> str:
    # The room may be a copy of the `_id`: nobody wrote it.
    copied = "_id" in row and row["room"] == row["_id"]
    shown = {name: value for name, value in row.items() if value is not None}
    return str({name: shown[name] for name in shown if not (copied and name == "room")})
