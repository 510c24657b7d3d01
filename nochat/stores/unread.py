"""Counts of what others wrote in a room since a user has read, and of what named the user."""

from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache

from nochat.protocol.requests import RoomInfo
from nochat.stores import documents
from nochat.stores.mongodb import Database

MOST_COUNTED = 100  # beyond that, the exact number does not matter
STRETCH = 200  # positions that are counted first, and of which the messages are remembered
ROOMS = 1000  # of which the last messages are remembered


@dataclass
class Tail:
    """The last messages of a room.

    Nothing is ever to be said of it again: what becomes of a message is an entry of its own, at a
    later position.

    Attributes:
        since: the position that they follow.
        until: the position of the last entry that was looked at.
        senders: who wrote those that are not deleted, by position.
    """

    since: int
    until: int
    senders: dict[int, str] = field(default_factory=dict)

    def take(self, entries: list[dict[str, Any]], until: int) -> None:
        """Take the entries that follow, up to a position."""
        for entry in entries:
            if entry["type"] == documents.MESSAGE and not entry.get("deleted"):
                self.senders[entry["position"]] = entry["sender"]
            elif entry["type"] == documents.DELETION:
                self.senders.pop(entry["target"], None)
        self.until = max(self.until, until)

    def forget(self, before: int) -> None:
        """Forget what is far back."""
        if self.since < before - STRETCH:
            self.since = before
            self.senders = {at: who for at, who in self.senders.items() if at > before}

    def others(self, user: str, read: int, position: int) -> int:
        """Count what others wrote after a position, up to another."""
        return sum(read < at <= position and who != user for at, who in self.senders.items())


class Unread:
    """The counts in one store.

    Whoever asks for a room again, or for one that others have asked for, costs the server nothing
    while nothing is written in it: the last messages of such rooms are remembered.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tails: LRUCache[str, Tail | None] = LRUCache(ROOMS)  # None: asked for once

    async def messages(self, user: str, room: RoomInfo, read: int) -> int:
        """Count others' messages that a user has not read, up to `MOST_COUNTED`."""
        if room.room in self._tails:
            tail = await self._tail(room, max(read, room.position - STRETCH))
            known = tail.others(user, read, room.position)
            if tail.since <= read or known >= MOST_COUNTED:
                return min(known, MOST_COUNTED)
        else:
            self._tails[room.room] = None
        there = {"type": {"$eq": documents.MESSAGE}, "deleted": {"$exists": False}}
        return await self._newer("log", room, read, there | {"sender": {"$ne": user}})

    async def mentions(self, user: str, room: RoomInfo, read: int) -> int:
        """Count the messages among them that name the user, up to `MOST_COUNTED`."""
        named = {"user": {"$eq": user}, "reason": {"$ne": "direct"}}
        return await self._newer("mentions", room, read, named)

    async def _tail(self, room: RoomInfo, since: int) -> Tail:
        """Return the last messages of a room, at least those after a position."""
        tail = self._tails.get(room.room)
        if tail is None or tail.since > since or tail.until < room.position - STRETCH:
            tail = Tail(since, since)
        after = tail.until
        if after < room.position:
            # To another than the one that is kept: others may do the same meanwhile.
            tail = Tail(tail.since, after, dict(tail.senders))
            query = {"room": {"$eq": room.room}, "position": {"$gt": after, "$lte": room.position}}
            shown = dict.fromkeys(("type", "position", "sender", "deleted", "target"), 1)
            tail.take(await self._db["log"].find(query, shown).to_list(), room.position)
            tail.forget(room.position - STRETCH)
            self._tails[room.room] = tail
        return tail

    async def _newer(
        self, collection: str, room: RoomInfo, read: int, condition: dict[str, Any]
    ) -> int:
        """Count what is in a room after a position, up to `MOST_COUNTED`, in short stretches."""
        count, stretch = 0, STRETCH
        while count < MOST_COUNTED and read < room.position:
            there = {"$gt": read, "$lte": read + stretch}
            query = {"room": {"$eq": room.room}, "position": there} | condition
            # Not by the helper of pymongo: the embedded server would send itself each document.
            count += int((await self._db.command("count", collection, query=query))["n"])
            read, stretch = read + stretch, 2 * stretch
        return min(count, MOST_COUNTED)
