"""The activity store: rooms' logs, connections and reading positions, in MongoDB by pymongo.

Collections: `log` (one document per room event, unique by room and position, and by sender and
client id), `rooms` (title, members, last position), `reads`, `mentions`, `connections`,
`account_events`. A message's document has its current state: deleted texts are not kept.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Self

import msgspec
from pymongo import ASCENDING
from pymongo.errors import InvalidURI, OperationFailure, PyMongoError

from nochat.domain.room import REMEMBERED
from nochat.domain.search_terms import searchable
from nochat.errors import NochatError, RequestFailed
from nochat.protocol import reasons
from nochat.protocol.events import Event
from nochat.protocol.requests import (
    AccountEntries,
    AllRooms,
    FindRooms,
    Found,
    FoundRooms,
    GetAccountEvents,
    GetRecords,
    History,
    KnownRoom,
    MessageKey,
    Records,
    Rooms,
    RoomState,
    RoomSummary,
    SearchMessages,
    Trends,
)
from nochat.stores import (
    account_events,
    analytics,
    controllers,
    documents,
    full_text,
    messages,
    recording,
    records,
    reindex,
)
from nochat.stores.mongodb import answering, client
from nochat.stores.portions import OutOfTime, portions
from nochat.stores.unread import Unread

FEW = 20  # messages of each room, where several are asked for
DATABASE = "nochat"
RESTORING = "restoring"  # a collection that exists while a restore is unfinished


class ActivityStore:
    """The activity database. Writes are idempotent: an event is stored once.

    Args:
        url: `mongodb://…`; the database is the one in the URL's path, or `nochat`.
    """

    def __init__(self, url: str) -> None:
        try:
            if not url.startswith(("mongodb://", "mongodb+srv://")):
                raise InvalidURI("another scheme")
            self._client = client(url)
            self._db = self._client.get_default_database(DATABASE)
            self._unread = Unread(self._db)
            self._embedded = self._full_text = False
        except (InvalidURI, PyMongoError, ValueError) as error:
            raise NochatError(
                f"NOCHAT_ACTIVITY_URL can't be used; write mongodb://host:port/database ({error})"
            ) from None

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """Open the store and create its indexes; close it at the end.

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
        # Only messages have a client id: a partial index leaves out the other entries.
        await log.create_index(
            [("room", ASCENDING), ("sender", ASCENDING), ("client_id", ASCENDING)],
            unique=True,
            partialFilterExpression={"client_id": {"$exists": True}},
        )
        self._embedded = await full_text.is_embedded(self._db)
        if self._embedded:
            with suppress(OperationFailure):  # only older versions created it
                await log.drop_index(full_text.USELESS)
            await full_text.index(self._db)
            self._full_text = await reindex.has_full_text(self._db)
        else:
            await log.create_index([("terms", ASCENDING), ("room", ASCENDING)])
            # For a user's rooms. The embedded server's indexes find no elements of arrays.
            for people in ("members", "invited"):
                await self._db["rooms"].create_index(people)
        await log.create_index([("at", ASCENDING)])
        await self._db["connections"].create_index([("user", ASCENDING), ("at", ASCENDING)])
        await self._db["connections"].create_index([("at", ASCENDING)])
        # For the deletion of accounts, without messages, which have none of these fields.
        for named in documents.NAMED:
            keys = [(named, ASCENDING), ("room", ASCENDING)]
            there = {named: {"$exists": True}}
            await log.create_index(keys, partialFilterExpression=there)
        await self._db["mentions"].create_index("sender")
        # For the deletion of messages, rooms and accounts.
        for collection in ("mentions", "reads"):
            keys = [("room", ASCENDING), ("position", ASCENDING)]
            await self._db[collection].create_index(keys)
            await self._db[collection].create_index("user")
        await self._db["rooms"].create_index("room")  # not every server supports a range of `_id`
        await account_events.index(self._db)

    def reindexing(self) -> AbstractAsyncContextManager[asyncio.Task[None]]:
        """Reindex older messages in the background, until the block ends."""
        return reindex.reindexing(self._db, self._found)

    def _found(self) -> None:
        """Use the embedded server's index for searches from now on, as it has all messages."""
        self._full_text = self._embedded

    def forgetting(self, days: float) -> AbstractAsyncContextManager[None]:
        """Delete old entries of the log in the background, until the block ends."""
        return account_events.forgetting(self._db, days)

    async def check_complete(self) -> None:
        """Check that no interrupted restore has left the store incomplete.

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
            Unavailable: the server can't write now; a retry is safe.
            Fatal: another event is stored at the position of one of these.
            NochatError: the store can't distinguish a message's id from a stored one.
        """
        async with answering():
            await recording.record(self._db, events, self._embedded)

    # ---- reading --------------------------------------------------------------------------------

    async def room_state(self, room: str, recent: bool = True) -> RoomState:
        """Return the state of a room for its controller, with or without its last messages."""
        async with answering():
            (known,) = await controllers.states(self._db, [room], REMEMBERED if recent else 0)
        return RoomState(room=known.room, recent=known.recent, since=known.since)

    async def room_states(self, rooms: Sequence[str], recent: bool = True) -> list[KnownRoom]:
        """Return the states of rooms for their controller, in the requested order.

        Each has fewer messages than in `room_state`: controllers look up older ones in the log.
        """
        async with answering():
            return await controllers.states(self._db, rooms, FEW if recent else 0)

    async def find(self, wanted: Iterable[MessageKey]) -> list[MessageKey]:
        """Return the messages that are in the log, by room, sender and client id."""
        async with answering():
            return await messages.find(self._db, wanted)

    async def all_rooms(self, text: str = "", after: str = "", limit: int = 50) -> AllRooms:
        """List the rooms other than direct ones, for managers, in order of their ids."""
        rooms, more = await self._listed(
            {"kind": {"$in": ["public", "private"]}}, text, after, limit
        )
        return AllRooms(rooms=[documents.room_info(room) for room in rooms], more=more)

    async def find_rooms(self, asked: FindRooms) -> FoundRooms:
        """List public rooms, in order of their ids."""
        if asked.only:
            public = {"_id": asked.only, "kind": "public", "deleted": {"$exists": False}}
            async with answering():
                rooms, more = await self._db["rooms"].find(public).to_list(), False
        else:
            public = {"kind": "public"}
            rooms, more = await self._listed(public, asked.text, asked.after, asked.limit)
        return FoundRooms(rooms=[documents.listing(room) for room in rooms], more=more)

    async def _listed(
        self, query: dict[str, Any], text: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return rooms with a text in their titles, after an id, and whether there are more.

        Raises:
            RequestFailed: it takes too long.
        """
        query["deleted"] = {"$exists": False}
        if text:
            pattern = re.escape(searchable(text)).replace("\0", r"\x00")  # NUL itself is refused
            query["sought"] = {"$regex": pattern}
        rooms, page = self._db["rooms"], list[dict[str, Any]]()
        try:
            async with answering():
                async for portion in portions(rooms, "room", 1, after or None):
                    cursor = rooms.find(query | portion).sort("room", 1)
                    page += await cursor.limit(limit + 1 - len(page)).to_list()
                    if len(page) > limit:
                        break
        except OutOfTime:
            if not page:
                raise RequestFailed(reasons.search_slow()) from None
            return page[:limit], True
        return page[:limit], len(page) > limit

    async def rooms(self, user: str, room: str = "") -> Rooms:
        """Return the rooms that a user is in or invited to, or one, with the unread."""
        async with answering():
            rooms = await (self._one_room(user, room) if room else self._rooms_by_user(user))
            mine = {"_id": f"{user}/{room}"} if room else {"user": {"$eq": user}}
            found = await self._db["reads"].find(mine).to_list() if rooms else []
            reads = {read["room"]: read["position"] for read in found}
            summaries = [await self._summary(rooms[id], user, reads) for id in sorted(rooms)]
        return Rooms(rooms=summaries)

    async def _rooms_by_user(self, user: str) -> dict[str, dict[str, Any]]:
        """Find the rooms that a user is in or invited to."""
        rooms: dict[str, dict[str, Any]] = {}
        for people in ("members", "invited"):  # not by `$or`: no index of the embedded server's
            async for document in self._db["rooms"].find({people: user}):
                rooms[document["_id"]] = document
        return rooms

    async def _one_room(self, user: str, room: str) -> dict[str, dict[str, Any]]:
        """Find one room by its id, if a user is in it or invited to it."""
        document = await self._db["rooms"].find_one({"_id": room})
        there = document and any(user in document[people] for people in ("members", "invited"))
        return {room: document} if document and there else {}

    async def _summary(self, room: dict[str, Any], user: str, reads: dict[str, int]) -> RoomSummary:
        info, read = documents.room_info(room), reads.get(room["_id"], 0)
        unread = mentions = 0
        if user in info.members and info.position > read:
            unread = await self._unread.messages(user, info, read)
            if unread:  # each mention is of a message that counts
                mentions = await self._unread.mentions(user, info, read)
        if user not in info.members:  # Invited users learn nothing about the members.
            info = msgspec.structs.replace(
                info, members=[], muted=[user] if user in info.muted else [], banned=[]
            )
        return RoomSummary(
            room=info.room,
            title=info.title,
            kind=info.kind,
            owner=info.owner,
            members=info.members,
            muted=info.muted,
            banned=info.banned,
            invited=user in info.invited,
            position=info.position,
            read=read,
            unread=unread,
            mentions=mentions,
        )

    async def history(
        self,
        room: str,
        after: int | None,
        before: int | None,
        limit: int,
        user: str | None = None,
    ) -> History:
        """Return a part of a room's log, oldest first: after `after`, or the last before `before`.

        Only pages after a position include changes of messages, as the messages contain them.

        Raises:
            RequestFailed: the user is not in the room.
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
            page = await cursor.to_list()
            more, page = len(page) > limit, page[:limit]
            texts = await messages.texts(self._db, room, page)
        entries = [
            documents.entry(entry, texts.get(entry.get("target", 0), ""))
            for entry in (page if after is not None else reversed(page))
        ]
        return History(room=room, entries=entries, more=more)

    async def search(self, asked: SearchMessages) -> Found:
        """Search the messages in a user's rooms for all words of a text, the newest first.

        Raises:
            RequestFailed: it takes too long.
        """
        mine = await self._rooms_of(asked.user, asked.room)
        async with answering():
            return await analytics.search(self._db, asked, mine, self._full_text)

    async def _rooms_of(self, user: str, room: str = "") -> dict[str, int]:
        """Return the last positions in a user's rooms, or in one, up to which the user may read.

        Later events may be the end of a membership, and messages after it.
        """
        query = {"members": user} | ({"_id": room} if room else {})
        async with answering():
            rooms = await self._db["rooms"].find(query, {"position": 1}).to_list()
        return {document["_id"]: document["position"] for document in rooms}

    async def traces(self, user: str) -> list[str]:
        """List the rooms with any trace of a user."""
        inside = [{field: user} for field in ("members", "invited", "muted", "banned", "owner")]
        async with answering():
            there = await self._db["rooms"].find({"$or": inside}, {"_id": 1}).to_list()
            names = {room["_id"] for room in there}
            for named in documents.NAMED:
                names |= {*await self._db["log"].distinct("room", {named: {"$eq": user}})}
        return sorted(names)

    async def records(self, asked: GetRecords) -> Records:
        """Return a page of a user's stored records, in the order of an index."""
        query, order, shown = records.of(asked)
        async with answering():
            cursor = self._db[records.COLLECTIONS[asked.kind]].find(query).sort(order, ASCENDING)
            listed = await cursor.limit(asked.limit).to_list()
        last = listed[-1][order] if len(listed) == asked.limit else None
        return Records(records=[shown(record) for record in listed], after=last)

    async def account_events(self, asked: GetAccountEvents) -> AccountEntries:
        """Return entries of the log of accounts, the newest first."""
        async with answering():
            return await account_events.find(self._db, asked)

    async def trends(self, since: float, limit: int) -> Trends:
        """Return statistics of public rooms since a time (seconds since 1970)."""
        async with answering():
            return await analytics.trends(self._db, since, limit)
