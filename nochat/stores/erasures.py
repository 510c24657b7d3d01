"""The erasure of a deleted account from the rooms' logs, by indexes alone.

The cost does not depend on the length of a log.
"""

from typing import Any

from pymongo import DeleteMany, UpdateMany, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from nochat.protocol.envelope import type_of
from nochat.protocol.events import ReactionChanged, RoomCreated, UserErased
from nochat.stores.documents import NAMED

Write = UpdateOne | UpdateMany | DeleteMany


async def erase(log: AsyncCollection[dict[str, Any]], event: UserErased) -> None:
    """Replace a user's name in the log of a room; idempotent."""
    # With `$eq`, the embedded server does not check for arrays, which would read the whole room.
    room, user, name = {"room": {"$eq": event.room}}, {"$eq": event.user}, event.deleted_as
    sent = room | {"sender": user, "client_id": {"$exists": True}}
    reactions = room | {"user": user, "type": {"$eq": type_of(ReactionChanged)}}
    targets = {reaction["target"] async for reaction in log.find(reactions, {"target": 1})}
    writes: list[Write] = [UpdateMany(sent, {"$set": {"sender": name}})]
    for target in sorted(targets):
        message = room | {"position": {"$eq": target}}
        writes.append(UpdateOne(message, {"$pull": {"reactions": {"user": event.user}}}))
    writes.append(DeleteMany(reactions))
    for field in NAMED:
        writes.append(UpdateMany(room | {field: user}, {"$set": {field: name}}))
    if event.title:
        made = room | {"position": {"$eq": 1}, "type": {"$eq": type_of(RoomCreated)}}
        writes.append(UpdateOne(made, {"$set": {"title": event.title}}))
    await log.bulk_write(writes, ordered=True)
