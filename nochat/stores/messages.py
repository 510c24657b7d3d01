"""Messages in the rooms' log: found by their senders' ids, and read by ranges of positions."""

from collections.abc import Iterable, Iterator
from typing import Any

from nochat.protocol.requests import MessageKey
from nochat.stores import documents
from nochat.stores.mongodb import Database

NEAR = 20  # positions that are read together rather than each by itself


async def find(db: Database, wanted: Iterable[MessageKey]) -> list[MessageKey]:
    """Find messages that the log has, by their room, sender and the sender's own id."""
    theirs: dict[tuple[str, str], dict[str, MessageKey]] = {}
    for key in wanted:
        theirs.setdefault((key.room, key.sender), {})[key.client_id] = key
    stored = []
    for (room, sender), keys in theirs.items():
        whose = {"room": {"$eq": room}, "sender": {"$eq": sender}}
        query = whose | {"client_id": {"$in": [*keys]}}
        async for there in db["log"].find(query, {"client_id": 1}):
            # Compared once more: of some texts a server reads a part.
            if known := keys.get(there["client_id"]):
                stored.append(known)
    return stored


async def texts(db: Database, room: str, entries: list[dict[str, Any]]) -> dict[int, str]:
    """Return the present texts of edited messages, by their positions."""
    edited = {entry["target"] for entry in entries if entry["type"] == documents.EDIT}
    present = {
        entry["position"]: entry["text"] for entry in entries if entry["type"] == documents.MESSAGE
    }
    for first, last in runs(sorted(edited - present.keys())):
        # By ranges: of `$in` and `$or`, the embedded server makes a reading of the whole room.
        query = {"room": {"$eq": room}, "position": {"$gte": first, "$lte": last}}
        async for message in db["log"].find(query, {"position": 1, "text": 1}):
            present[message["position"]] = message.get("text", "")
    return present


def runs(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each group of positions that are near each other."""
    start = 0
    for end in range(1, len(positions) + 1):
        if end == len(positions) or positions[end] - positions[end - 1] > NEAR:
            yield positions[start], positions[end - 1]
            start = end
