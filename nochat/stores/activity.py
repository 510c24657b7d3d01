"""The activity store: rooms' logs, connections and reading positions, in MongoDB by pymongo.

Collections: `log` (one document per room event, unique by room and position, and by sender and
client id), `rooms` (title, members, last position), `reads`, `mentions`,
`connections`, `account_events`. A message's document shows what became of it: what was deleted is
gone.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import msgspec
from pymongo import ASCENDING, InsertOne
from pymongo.errors import BulkWriteError, InvalidURI, PyMongoError

from nochat.domain.room import REMEMBERED
from nochat.domain.search_terms import searchable
from nochat.errors import Fatal, NochatError, RequestFailed
from nochat.protocol import reasons
from nochat.protocol.events import Event, UserErased
from nochat.protocol.requests import (
    AccountEntries,
    AllRooms,
    FindRooms,
    Found,
    FoundRooms,
    GetAccountEvents,
    GetRecords,
    History,
    MessageKey,
    Records,
    RememberedMessage,
    RoomInfo,
    Rooms,
    RoomState,
    RoomSummary,
    SearchMessages,
    Trends,
)
from nochat.stores import account_events, analytics, documents, records, reindex
from nochat.stores.erasures import erase
from nochat.stores.mongodb import DUPLICATE_KEY, answering, client
from nochat.stores.portions import OutOfTime, portions

log = logging.getLogger(__name__)

MOST_COUNTED = 100  # unread messages; beyond that, the exact number does not matter
NEAR = 20  # positions that are read together rather than each by itself
DATABASE = "nochat"
RESTORING = "restoring"  # a collection that is there while a restore is unfinished


class ActivityStore:
    """The activity database. Writing the same event twice leaves it there once.

    Args:
        url: `mongodb://…`; the database is the one in the URL's path, or `nochat`.
    """

    def __init__(self, url: str) -> None:
        try:
            if not url.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("another scheme")
            self._client = client(url)
            self._db = self._client.get_default_database(DATABASE)
        except (InvalidURI, PyMongoError, ValueError) as error:
            raise NochatError(
                f"NOCHAT_ACTIVITY_URL can't be used; write mongodb://host:port/database ({error})"
            ) from None

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """Open the store and make its indexes; close it at the end.

        Raises:
            NochatError: the URL can't be used.
            Unavailable: the server does not answer.
        """
        store = cls(url)
        try:
            async with answering():
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
        await log.create_index([("terms", ASCENDING), ("room", ASCENDING)])
        await log.create_index([("at", ASCENDING)])
        await self._db["connections"].create_index([("user", ASCENDING), ("at", ASCENDING)])
        await self._db["connections"].create_index([("at", ASCENDING)])
        # For who deletes their account: messages, which have none of these fields, are left out.
        for named in documents.NAMED:
            keys = [(named, ASCENDING), ("room", ASCENDING)]
            there = {named: {"$exists": True}}
            await log.create_index(keys, partialFilterExpression=there)
        await self._db["mentions"].create_index("sender")
        # For what is deleted: a message, a room, an account.
        for collection in ("mentions", "reads"):
            keys = [("room", ASCENDING), ("position", ASCENDING)]
            await self._db[collection].create_index(keys)
            await self._db[collection].create_index("user")
        await self._db["rooms"].create_index("room")  # not every server finds a range of `_id`
        await account_events.index(self._db)

    def reindexing(self) -> AbstractAsyncContextManager[asyncio.Task[None]]:
        """Bring older messages up to date in the background, until the block ends."""
        return reindex.reindexing(self._db)

    def forgetting(self, days: float) -> AbstractAsyncContextManager[None]:
        """Delete old entries of the log in the background, until the block ends."""
        return account_events.forgetting(self._db, days)

    async def check_complete(self) -> None:
        """See that nobody builds on a store that a restore has left half full.

        Raises:
            NochatError: a restore was interrupted.
        """
        async with answering():
            if await self._db[RESTORING].find_one():
                raise NochatError("a restore of the activity is unfinished; run it again first")

    # ---- writing --------------------------------------------------------------------------------

    async def record(self, events: Iterable[Event]) -> None:
        """Store events, in order; events that are already stored are skipped.

        Raises:
            Unavailable: the server can't write now; nothing is lost by recording again.
            Fatal: another event has the place of one of these in its room.
            NochatError: the store takes a message for another that it has.
        """
        writes: dict[str, list[Any]] = {}
        erasures = []
        for event in events:
            for collection, write in documents.writes(event):
                writes.setdefault(collection, []).append(write)
            if isinstance(event, UserErased):
                erasures.append(event)
        async with answering():
            # The log first: a room's position must never be ahead of it.
            await self._write("log", writes.pop("log", []))
            for erasure in erasures:  # last: what was changed meanwhile may have the name
                await erase(self._db["log"], erasure)
            for collection, of_it in writes.items():
                await self._write(collection, of_it)

    async def _write(self, collection: str, writes: list[Any]) -> None:
        """Insert new documents first, as later changes may be to them; existing ones stay."""
        inserts = [each for each in writes if isinstance(each, InsertOne)]
        changes = [each for each in writes if not isinstance(each, InsertOne)]
        try:
            if inserts:
                await self._db[collection].bulk_write(inserts, ordered=False)
        except BulkWriteError as error:
            failures = (error.details or {})["writeErrors"]
            if any(each["code"] != DUPLICATE_KEY for each in failures):
                raise
            if collection == "log":
                await self._check_same([inserts[each["index"]]._doc for each in failures])
        if changes:
            await self._db[collection].bulk_write(changes, ordered=True)

    async def _check_same(self, documents: list[dict[str, Any]]) -> None:
        """Check that existing events are the same, and not another chat's.

        Raises:
            Fatal: it is not.
            NochatError: it is another message, with an id that the store can't tell from this.
        """
        by_place = {(each["room"], each["position"]): each for each in documents}
        for room in {room for room, _ in by_place}:
            positions = sorted(position for name, position in by_place if name == room)
            for first, last in _runs(positions):
                query = {"room": {"$eq": room}, "position": {"$gte": first, "$lte": last}}
                async for found in self._db["log"].find(query, {"room": 1, "position": 1, "id": 1}):
                    ours = by_place.pop((room, found["position"]), found)
                    if ours["id"] != found["id"]:
                        raise Fatal(
                            f"room {room!r} has two entries at position {found['position']}: two "
                            "chats write to one activity store. Stop one of them, or give it a "
                            "store of its own (NOCHAT_ACTIVITY_URL)"
                        )
        for (room, position), ours in by_place.items():
            if not await self.find([MessageKey(room, ours["sender"], ours["client_id"])]):
                raise NochatError(
                    f"the activity store takes entry {position} of room {room!r} for another: it "
                    f"can't tell the message's id, {ours['client_id']!r}, from one that it has"
                )
            log.error("entry %d of room %r is a duplicate of another message", position, room)

    # ---- reading --------------------------------------------------------------------------------

    async def room_state(self, room: str, recent: bool = True) -> RoomState:
        """Return the state of a room for its controller; with its last messages, or without."""
        async with answering():
            found = await self._db["rooms"].find_one({"_id": room})
            if not found:
                return RoomState(room=RoomInfo(room=room))
            said = []
            if recent:
                cursor = self._db["log"].find(
                    {"room": room, "type": documents.MESSAGE},
                    dict.fromkeys(("position", "sender", "client_id", "deleted", "at"), 1),
                )
                said = await cursor.sort("position", -1).limit(REMEMBERED).to_list()
        return RoomState(
            room=documents.room_info(found),
            recent=[
                RememberedMessage(
                    it["position"],
                    it["sender"],
                    it["client_id"],
                    bool(it.get("deleted")),
                    it["at"],
                )
                for it in reversed(said)
            ],
        )

    async def find(self, wanted: Iterable[MessageKey]) -> list[MessageKey]:
        """Find messages that the log has, by their room, sender and the sender's own id."""
        theirs: dict[tuple[str, str], dict[str, MessageKey]] = {}
        for key in wanted:
            theirs.setdefault((key.room, key.sender), {})[key.client_id] = key
        found = []
        async with answering():
            for (room, sender), keys in theirs.items():
                whose = {"room": {"$eq": room}, "sender": {"$eq": sender}}
                query = whose | {"client_id": {"$in": [*keys]}}
                async for there in self._db["log"].find(query, {"client_id": 1}):
                    # Compared once more: of some texts a server reads a part.
                    if known := keys.get(there["client_id"]):
                        found.append(known)
        return found

    async def all_rooms(self, text: str = "", after: str = "", limit: int = 50) -> AllRooms:
        """List the rooms that are not direct, as managers see them, in order of their ids."""
        found, more = await self._listed(
            {"kind": {"$in": ["public", "private"]}}, text, after, limit
        )
        return AllRooms(rooms=[documents.room_info(each) for each in found], more=more)

    async def find_rooms(self, asked: FindRooms) -> FoundRooms:
        """List public rooms, in order of their ids."""
        if asked.only:
            public = {"_id": asked.only, "kind": "public", "deleted": {"$exists": False}}
            async with answering():
                found, more = await self._db["rooms"].find(public).to_list(), False
        else:
            public = {"kind": "public"}
            found, more = await self._listed(public, asked.text, asked.after, asked.limit)
        return FoundRooms(rooms=[documents.listing(each) for each in found], more=more)

    async def _listed(
        self, query: dict[str, Any], text: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """List rooms with a text in their titles, after an id; and whether there are more.

        Raises:
            RequestFailed: it takes too long.
        """
        query["deleted"] = {"$exists": False}
        if text:
            pattern = re.escape(searchable(text)).replace("\0", r"\x00")  # as it is, it is refused
            query["sought"] = {"$regex": pattern}
        rooms, found = self._db["rooms"], list[dict[str, Any]]()
        try:
            async with answering():
                async for portion in portions(rooms, "room", 1, after or None):
                    cursor = rooms.find(query | portion).sort("room", 1)
                    found += await cursor.limit(limit + 1 - len(found)).to_list()
                    if len(found) > limit:
                        break
        except OutOfTime:
            if not found:
                raise RequestFailed(reasons.search_slow()) from None
            return found[:limit], True
        return found[:limit], len(found) > limit

    async def rooms(self, user: str, room: str = "") -> Rooms:
        """Return the rooms that a user is in or invited to, or one, with the unread."""
        theirs: dict[str, Any] = {"$or": [{"members": user}, {"invited": user}]}
        if room:
            theirs["_id"] = room
        async with answering():
            reads = {
                each["room"]: each["position"]
                async for each in self._db["reads"].find({"user": {"$eq": user}})
            }
            found = await self._db["rooms"].find(theirs).sort("_id", 1).to_list()
            summaries = [await self._summary(each, user, reads) for each in found]
        return Rooms(rooms=summaries)

    async def _summary(self, room: dict[str, Any], user: str, reads: dict[str, int]) -> RoomSummary:
        it, read = documents.room_info(room), reads.get(room["_id"], 0)
        unread = mentions = 0
        if user in it.members and it.position > read:
            newer = {"room": it.room, "position": {"$gt": read}}
            there = {"type": documents.MESSAGE, "deleted": {"$exists": False}}
            from_others = there | {"sender": {"$ne": user}}
            unread = await self._some("log", newer | from_others)
            named = {"user": user, "reason": {"$ne": "direct"}}
            mentions = await self._some("mentions", newer | named)
        if user not in it.members:  # Invited users learn nothing about the members.
            it = msgspec.structs.replace(
                it, members=[], muted=[user] if user in it.muted else [], banned=[]
            )
        return RoomSummary(
            room=it.room,
            title=it.title,
            kind=it.kind,
            owner=it.owner,
            members=it.members,
            muted=it.muted,
            banned=it.banned,
            invited=user in it.invited,
            position=it.position,
            read=read,
            unread=unread,
            mentions=mentions,
        )

    async def _some(self, collection: str, query: dict[str, Any]) -> int:
        """Count matching documents up to `MOST_COUNTED`, by an index alone."""
        found = self._db[collection].find(query, {"_id": 1}).limit(MOST_COUNTED)
        return len(await found.to_list())

    async def history(
        self,
        room: str,
        after: int | None,
        before: int | None,
        limit: int,
        user: str | None = None,
    ) -> History:
        """Return a room's log: what follows `after`, or the newest (before `before`), oldest first.

        Changes of messages are told only to who asks what follows: the messages show them.

        Raises:
            RequestFailed: the user that it is for is not in the room.
        """
        position = {}
        if user is not None:
            mine = await self._rooms_of(user, room)
            if room not in mine:
                raise RequestFailed(reasons.room_members_only())
            position["$lte"] = mine[room]
        if after is not None:
            position["$gt"] = after
        if before is not None:
            position["$lt"] = before
        query: dict[str, Any] = {"room": room}
        if position:
            query["position"] = position
        if after is None:
            query["type"] = {"$nin": documents.CHANGES}
        direction = -1 if after is None else 1
        async with answering():
            cursor = self._db["log"].find(query).sort("position", direction).limit(limit + 1)
            found = await cursor.to_list()
            more, found = len(found) > limit, found[:limit]
            texts = await self._texts(room, found)
        entries = [
            documents.entry(each, texts.get(each.get("target", 0), ""))
            for each in (found if after is not None else reversed(found))
        ]
        return History(room=room, entries=entries, more=more)

    async def _texts(self, room: str, found: list[dict[str, Any]]) -> dict[int, str]:
        """Return the present texts of edited messages, by their positions."""
        edited = {each["target"] for each in found if each["type"] == documents.EDIT}
        texts = {
            each["position"]: each["text"] for each in found if each["type"] == documents.MESSAGE
        }
        for first, last in _runs(sorted(edited - texts.keys())):
            # By ranges: of `$in` and `$or`, the embedded server makes a reading of the whole room.
            query = {"room": {"$eq": room}, "position": {"$gte": first, "$lte": last}}
            async for each in self._db["log"].find(query, {"position": 1, "text": 1}):
                texts[each["position"]] = each.get("text", "")
        return texts

    async def search(self, asked: SearchMessages) -> Found:
        """Search a user's messages for all these words, the newest first.

        Raises:
            RequestFailed: it takes too long.
        """
        mine = await self._rooms_of(asked.user, asked.room)
        async with answering():
            return await analytics.search(self._db, asked, mine)

    async def _rooms_of(self, user: str, room: str = "") -> dict[str, int]:
        """Return the positions up to which a user knows their rooms, or the one room.

        What is stored while they are used may be an end of membership, and what was said after.
        """
        query = {"members": user} | ({"_id": room} if room else {})
        async with answering():
            found = await self._db["rooms"].find(query, {"position": 1}).to_list()
        return {each["_id"]: each["position"] for each in found}

    async def traces(self, user: str) -> list[str]:
        """List the rooms that hold anything of a user, who has come into each of them once."""
        inside = [{each: user} for each in ("members", "invited", "muted", "banned", "owner")]
        async with answering():
            there = await self._db["rooms"].find({"$or": inside}, {"_id": 1}).to_list()
            found = {each["_id"] for each in there}
            for named in documents.NAMED:
                found |= {*await self._db["log"].distinct("room", {named: {"$eq": user}})}
        return sorted(found)

    async def records(self, asked: GetRecords) -> Records:
        """Return a page of the stored records of one user, in the order of an index."""
        query, order, shown = records.of(asked)
        async with answering():
            cursor = self._db[records.COLLECTIONS[asked.kind]].find(query).sort(order, ASCENDING)
            found = await cursor.limit(asked.limit).to_list()
        last = found[-1][order] if len(found) == asked.limit else None
        return Records(records=[shown(each) for each in found], after=last)

    async def account_events(self, asked: GetAccountEvents) -> AccountEntries:
        """Return entries of the log of accounts, the newest first."""
        async with answering():
            return await account_events.find(self._db, asked)

    async def trends(self, since: float, limit: int) -> Trends:
        """Count what people do in public rooms since a time (seconds since 1970)."""
        async with answering():
            return await analytics.trends(self._db, since, limit)


def _runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each group of positions that are near each other."""
    start = 0
    for end in range(1, len(positions) + 1):
        if end == len(positions) or positions[end] - positions[end - 1] > NEAR:
            yield positions[start], positions[end - 1]
            start = end
