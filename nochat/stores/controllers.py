"""The states of rooms that controllers need before they decide commands."""

from collections.abc import Sequence
from typing import Any

from nochat.protocol.requests import KnownRoom, RememberedMessage, RoomInfo
from nochat.stores import documents
from nochat.stores.mongodb import Database

FIELDS = dict.fromkeys(("position", "sender", "client_id", "deleted", "at"), 1)


async def states(db: Database, rooms: Sequence[str], most: int) -> list[KnownRoom]:
    """Return the states of rooms, in their order, each with at most so many messages."""
    cursor = db["rooms"].find({"_id": {"$in": [*rooms]}})
    there = {document["_id"]: document async for document in cursor}
    return [
        await _known(db, there[room], most)
        if room in there
        else KnownRoom(room=RoomInfo(room=room))
        for room in rooms
    ]


async def _known(db: Database, room: dict[str, Any], most: int) -> KnownRoom:
    """Return one room, with the last messages of its log."""
    info = documents.room_info(room)
    if not most or not info.position:
        return KnownRoom(room=info)
    query = {"room": {"$eq": info.room}, "type": {"$eq": documents.MESSAGE}}
    cursor = db["log"].find(query, FIELDS).sort("position", -1).limit(most + 1)
    said = await cursor.to_list()
    return KnownRoom(
        room=info,
        recent=[_remembered(message) for message in reversed(said[:most])],
        since=said[most]["at"] if len(said) > most else 0.0,
    )


def _remembered(message: dict[str, Any]) -> RememberedMessage:
    return RememberedMessage(
        message["position"],
        message["sender"],
        message["client_id"],
        bool(message.get("deleted")),
        message["at"],
    )
