"""The stored records of one user, page by page, for the export."""

from collections.abc import Callable
from typing import Any

from nochat.protocol.requests import GetRecords
from nochat.stores import documents

Document = dict[str, Any]

COLLECTIONS = {
    "messages": "log",
    "reads": "reads",
    "mentions": "mentions",
    "connections": "connections",
    "account_events": documents.ACCOUNT_EVENTS,
}
FIELDS = {
    "messages": ("room", "position", "at", "text", "reply_to", "edited", "deleted"),
    "reads": ("room", "position"),
    # Without the sender and the text, which are another user's data.
    "mentions": ("room", "position", "at", "reason"),
    "connections": ("type", "at", "seconds"),
    # Without `by`, which is another user.
    "account_events": ("type", "at", "role", "banned", "name", "unsaid"),
}


def of(asked: GetRecords) -> tuple[Document, str, Callable[[Document], Document]]:
    """Return a page's query, the field of its order, and the view of a document."""
    if asked.kind == "messages":
        # By the client id, as the index: it starts with the time if the page created it.
        after = {"client_id": {"$gt": asked.after or ""}}
        return {"room": asked.room, "sender": asked.user} | after, "client_id", _shown(asked.kind)
    if asked.kind == "connections":
        after = {"at": {"$gt": asked.after or 0.0}}
        return {"user": asked.user} | after, "at", _shown(asked.kind)
    if asked.kind == "account_events":
        after = {"mark": {"$gt": asked.after or ""}}
        return {"user": {"$eq": asked.user}} | after, "mark", _shown(asked.kind)
    mine = documents.of_user(asked.user)
    query = {"user": {"$eq": asked.user}, "_id": mine | {"$gt": asked.after or mine["$gt"]}}
    return query, "_id", _shown(asked.kind)


def _shown(kind: str) -> Callable[[Document], Document]:
    return lambda document: {name: document[name] for name in FIELDS[kind] if name in document}
