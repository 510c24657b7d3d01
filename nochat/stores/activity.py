"""What happened: the rooms' logs, connections and reading positions, in MongoDB through pymongo.

Collections: `log` (one document per room event, unique by room and position, and by sender and
client id), `rooms` (title, members, last position), `reads`, `connections`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
from pymongo import ASCENDING, AsyncMongoClient, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, ConnectionFailure, InvalidURI, PyMongoError

from nochat.errors import NochatError, Unavailable
from nochat.events import (
    Event,
    History,
    LogEntry,
    MessageSent,
    RoomCreated,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    Rooms,
    RoomState,
    RoomSummary,
    Trends,
    UserConnected,
    UserDisconnected,
    UserMentioned,
    type_of,
)
from nochat.room import REMEMBERED

DUPLICATE_KEY = 11000
MOST_COUNTED = 100  # unread messages; whoever has more need not know how many
DATABASE = "nochat"


class ActivityStore:
    """The activity database. Writing the same event twice leaves it there once.

    Args:
        url: `mongodb://…`; the database is the one in the URL's path, or `nochat`.
    """

    def __init__(self, url: str) -> None:
        try:
            if not url.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("another scheme")
            self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
                url, serverSelectionTimeoutMS=3000, tz_aware=True
            )
            self._db = self._client.get_default_database(DATABASE)
        except (InvalidURI, PyMongoError, ValueError) as error:
            raise NochatError(
                f"NOCHAT_ACTIVITY_URL can't be used; write mongodb://host:port/database ({error})"
            ) from None

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """The store with its indexes made; closed at the end.

        Raises:
            NochatError: the URL can't be used.
            Unavailable: the server does not answer.
        """
        store = cls(url)
        try:
            async with _answering():
                await store._index()
            yield store
        finally:
            await store._client.close()

    async def _index(self) -> None:
        log = self._db["log"]
        await log.create_index([("room", ASCENDING), ("position", ASCENDING)], unique=True)
        # Only messages have a client id: a partial index leaves the other entries out.
        await log.create_index(
            [("room", ASCENDING), ("sender", ASCENDING), ("client_id", ASCENDING)],
            unique=True,
            partialFilterExpression={"client_id": {"$exists": True}},
        )
        await self._db["connections"].create_index([("user", ASCENDING), ("at", ASCENDING)])

    # ---- writing --------------------------------------------------------------------------------

    async def record(self, events: Iterable[Event]) -> None:
        """Store events, in order; those that are there already are passed over.

        Raises:
            Unavailable: the server does not answer; nothing is lost by recording again.
        """
        writes: dict[str, list[Any]] = {}
        for event in events:
            for collection, write in _writes(event):
                writes.setdefault(collection, []).append(write)
        async with _answering():
            # The log first: a room's position must never be ahead of it.
            for collection in sorted(writes, key=lambda name: name != "log"):
                await self._write(collection, writes[collection])

    async def _write(self, collection: str, writes: list[Any]) -> None:
        try:
            await self._db[collection].bulk_write(writes, ordered=collection == "rooms")
        except BulkWriteError as error:
            details = error.details or {}
            if any(each["code"] != DUPLICATE_KEY for each in details["writeErrors"]):
                raise

    # ---- reading --------------------------------------------------------------------------------

    async def room_state(self, room: str) -> RoomState:
        """What a controller must know of a room."""
        async with _answering():
            found = await self._db["rooms"].find_one({"_id": room})
            if not found:
                return RoomState(room=room)
            cursor = self._db["log"].find(
                {"room": room, "type": type_of(MessageSent)}, {"sender": 1, "client_id": 1}
            )
            recent = await cursor.sort("position", -1).limit(REMEMBERED).to_list()
        pairs = [(each["sender"], each["client_id"]) for each in reversed(recent)]
        return RoomState(
            room=room,
            title=found["title"],
            members=found["members"],
            position=found["position"],
            recent=pairs,
        )

    async def rooms(self, user: str) -> Rooms:
        """All public rooms, with what the user has not read of those they are a member of."""
        async with _answering():
            reads = {
                each["room"]: each["position"]
                async for each in self._db["reads"].find({"user": user})
            }
            found = await self._db["rooms"].find().sort("_id", 1).to_list()
            summaries = [await self._summary(each, user, reads) for each in found]
        return Rooms(rooms=summaries)

    async def _summary(self, room: dict[str, Any], user: str, reads: dict[str, int]) -> RoomSummary:
        read = reads.get(room["_id"], 0)
        unread = mentions = 0
        if user in room["members"] and room["position"] > read:
            newer = {"room": room["_id"], "position": {"$gt": read}}
            from_others = {"type": type_of(MessageSent), "sender": {"$ne": user}}
            unread = await self._some("log", newer | from_others)
            mentions = await self._some("mentions", newer | {"user": user})
        return RoomSummary(
            room=room["_id"],
            title=room["title"],
            members=room["members"],
            position=room["position"],
            read=read,
            unread=unread,
            mentions=mentions,
        )

    async def _some(self, collection: str, query: dict[str, Any]) -> int:
        """How many documents match, up to `MOST_COUNTED`: an index answers, nothing is scanned."""
        found = self._db[collection].find(query, {"_id": 1}).limit(MOST_COUNTED)
        return len(await found.to_list())

    async def history(
        self, room: str, after: int | None, before: int | None, limit: int
    ) -> History:
        """A room's log: what follows `after`, or the newest (before `before`), oldest first."""
        position = {}
        if after is not None:
            position["$gt"] = after
        if before is not None:
            position["$lt"] = before
        query = {"room": room} | ({"position": position} if position else {})
        direction = -1 if after is None else 1
        async with _answering():
            cursor = self._db["log"].find(query).sort("position", direction).limit(limit + 1)
            found = await cursor.to_list()
        more, found = len(found) > limit, found[:limit]
        entries = [_entry(each) for each in (found if after is not None else reversed(found))]
        return History(room=room, entries=entries, more=more)

    async def trends(self, since: float, limit: int) -> Trends:
        """What people do since a time (seconds since 1970)."""
        sent = {"$match": {"type": type_of(MessageSent), "at": {"$gte": since}}}
        async with _answering():
            users, rooms, words, hours = await asyncio.gather(
                self._count([sent], "$sender", limit),
                self._count([sent], "$room", limit),
                self._count([sent, *_SPLIT], "$words", limit),
                self._count([sent, *_HOUR], "$hour", 24),
            )
            messages = await self._db["log"].count_documents(sent["$match"])
            connections = await self._db["connections"].count_documents(
                {"at": {"$gte": since}, "type": type_of(UserConnected)}
            )
        return Trends(
            users=users,
            rooms=rooms,
            words=words,
            hours=[(int(hour), count) for hour, count in hours],
            messages=messages,
            connections=connections,
        )

    async def _count(
        self, stages: list[dict[str, Any]], by: str, limit: int
    ) -> list[tuple[Any, int]]:
        """Documents counted by a field, most first."""
        group = {"$group": {"_id": by, "count": {"$sum": 1}}}
        order = {"$sort": {"count": -1, "_id": 1}}
        cursor = await self._db["log"].aggregate([*stages, group, order, {"$limit": limit}])
        return [(each["_id"], each["count"]) async for each in cursor]


# A word is what stands between spaces, in lower case, of four letters or more.
_SPLIT: list[dict[str, Any]] = [
    {"$project": {"words": {"$split": [{"$toLower": "$text"}, " "]}}},
    {"$unwind": "$words"},
    {"$match": {"words": {"$regex": r"^\w{4,}$"}}},
]
_HOUR: list[dict[str, Any]] = [{"$project": {"hour": "$hour"}}]


def _writes(event: Event) -> Iterable[tuple[str, Any]]:
    """The writes that store an event: (collection, operation)."""
    document = msgspec.to_builtins(event)
    if isinstance(event, RoomEvent):
        # The hour is stored, not computed in the pipeline: any server can group by it.
        yield "log", InsertOne(document | {"hour": int(event.at // 3600 % 24)})
        yield "rooms", _room_update(event)
    match event:
        case RoomRead():
            key = {"_id": f"{event.user}/{event.room}", "user": event.user, "room": event.room}
            yield "reads", UpdateOne(key, {"$max": {"position": event.position}}, upsert=True)
        case UserMentioned():
            key = {"_id": f"{event.user}/{event.room}/{event.position}"}
            yield "mentions", UpdateOne(key, {"$setOnInsert": document}, upsert=True)
        case UserConnected() | UserDisconnected():
            document["_id"] = document.pop("id")
            yield "connections", InsertOne(document)


def _room_update(event: RoomEvent) -> UpdateOne:
    change: dict[str, Any] = {"$max": {"position": event.position}}
    match event:
        case RoomCreated():
            change["$set"] = {"title": event.title}
            change["$setOnInsert"] = {"members": []}
        case RoomJoined():
            change["$addToSet"] = {"members": event.user}
        case RoomLeft():
            change["$pull"] = {"members": event.user}
    return UpdateOne({"_id": event.room}, change, upsert=True)


def _entry(document: dict[str, Any]) -> LogEntry:
    entry: LogEntry = msgspec.convert(document, LogEntry)
    return entry


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """What pymongo says of a server that is not there, said in our words."""
    try:
        yield
    except ConnectionFailure as error:
        first = str(error).split(",")[0]
        raise Unavailable(
            f"the activity store does not answer ({first}); is it running, and is "
            "NOCHAT_ACTIVITY_URL right?"
        ) from None
