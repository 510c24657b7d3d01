"""Messages in the rooms' log: look-ups by client ids and by ranges of positions."""

from collections.abc import Iterable, Iterator
from typing import Any

from nochat.protocol.requests import MessageKey
from nochat.stores import documents
from nochat.stores.mongodb import Database

NEAR = 20  # largest gap between positions that are read together


async def find(db: Database, wanted: Iterable[MessageKey]) -> list[MessageKey]:
    """Return the messages that are in the log, by room, sender and client id."""
    theirs: dict[tuple[str, str], dict[str, MessageKey]] = {}
    for key in wanted:
        theirs.setdefault((key.room, key.sender), {})[key.client_id] = key
    stored = []
    for (room, sender), keys in theirs.items():
        whose = {"room": {"$eq": room}, "sender": {"$eq": sender}}
        query = whose | {"client_id": {"$in": [*keys]}}
        async for there in db["log"].find(query, {"client_id": 1}):
            # Compared again, as a server may match only a part of some texts.
            if known := keys.get(there["client_id"]):
                stored.append(known)
    return stored


async def texts(db: Database, room: str, entries: list[dict[str, Any]]) -> dict[int, str]:
    """Return the current texts of edited messages, by position."""
    edited = {entry["target"] for entry in entries if entry["type"] == documents.EDIT}
    present = {
        entry["position"]: entry["text"] for entry in entries if entry["type"] == documents.MESSAGE
    }
    for first, last in runs(sorted(edited - present.keys())):
        # By ranges: for `$in` and `$or`, the embedded server reads the whole room.
        query = {"room": {"$eq": room}, "position": {"$gte": first, "$lte": last}}
        async for message in db["log"].find(query, {"position": 1, "text": 1}):
            present[message["position"]] = message.get("text", "")
    return present


def runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each group of nearby positions."""
    start = 0
    for end in range(1, len(positions) + 1):
        if end == len(positions) or positions[end] - positions[end - 1] > NEAR:
            yield positions[start], positions[end - 1]
            start = end
