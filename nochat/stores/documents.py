"""The mapping between events and documents of the activity store.

A message's document has its current state, so that readers need no later documents; deleted texts
are not kept.
"""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from pymongo import DeleteMany, InsertOne, UpdateMany, UpdateOne

from nochat.domain.emoji import one_spelling
from nochat.domain.search_terms import searchable, terms, topics
from nochat.protocol.envelope import type_of
from nochat.protocol.events import (
    AccountDeleted,
    AccountEvent,
    Change,
    Event,
    LogEntry,
    MemberModerated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserConnected,
    UserDisconnected,
    UserErased,
    UserInvited,
    UserNotified,
)
from nochat.protocol.fields import LOBBY, Action
from nochat.protocol.requests import RoomInfo, RoomListing

MESSAGE = type_of(MessageSent)
EDIT = type_of(MessageEdited)
DELETION = type_of(MessageDeleted)
CHANGES = [type_of(kind) for kind in (*get_args(Change), UserErased)]
ACCOUNT_EVENTS = "account_events"
NAMED = ("user", "invitee", "member")  # fields with users' names in entries other than messages


def by_text(text: str) -> dict[str, Any]:
    """Return a message's fields for searches (`terms`) and for trends (`words`)."""
    return {"terms": terms(text), "words": topics(text)}


def writes(event: Event) -> Iterable[tuple[str, Any]]:
    """Return the writes that store an event: (collection, operation)."""
    document = msgspec.to_builtins(event)
    match event:
        case MessageSent():
            # The hour and the words are stored, not computed in queries, so that any server can
            # group by the hour and find by the words.
            document |= {"hour": int(event.at // 3600 % 24), **by_text(event.text)}
            document["reactions"] = []  # not every server creates the array on demand
        case RoomRead():
            key = {"_id": f"{event.user}/{event.room}", "user": event.user, "room": event.room}
            yield "reads", UpdateOne(key, {"$max": {"position": event.position}}, upsert=True)
        case UserNotified():
            key = {"_id": f"{event.user}/{event.room}/{event.position}"}
            del document["text"]  # it is only in the log, where it can be deleted
            yield "mentions", UpdateOne(key, {"$setOnInsert": document}, upsert=True)
        case UserConnected() | UserDisconnected():
            document["_id"] = document.pop("id")
            yield "connections", InsertOne(document)
        case MessageDeleted():
            of_it = {"room": {"$eq": event.room}, "position": {"$eq": event.target}}
            yield "mentions", DeleteMany(of_it)
        case RoomDeleted():
            # The messages are deleted; the room's document stays, as its id is not used again.
            before = {"room": {"$eq": event.room}, "position": {"$lt": event.position}}
            for name in ("log", "mentions", "reads"):
                yield name, DeleteMany(before)
        case MessageEdited():
            del document["text"]  # only the message has it, and only the last one
        case UserErased():
            document["user"] = event.deleted_as
        case AccountDeleted():
            yield from _erasures(event)
    if isinstance(event, AccountEvent):
        yield ACCOUNT_EVENTS, InsertOne(_account_event(event))
    if isinstance(event, RoomEvent):
        yield "log", InsertOne(document)
        for change in _changes(event):
            yield "log", change
        for update in _room_updates(event):
            yield "rooms", update


def of_user(user: str) -> dict[str, Any]:
    """Return a condition for the ids of a user's documents in `reads` and `mentions`."""
    return {"$gt": f"{user}/", "$lt": f"{user}0"}  # "0" follows "/"; no name has a "/"


def _erasures(event: AccountDeleted) -> Iterable[tuple[str, Any]]:
    """Return the writes that remove a user outside of the rooms' logs."""
    exactly = {"$eq": event.user}
    yield "reads", DeleteMany({"user": exactly})
    yield "mentions", DeleteMany({"user": exactly})
    yield "mentions", UpdateMany({"sender": exactly}, {"$set": {"sender": event.deleted_as}})
    yield "connections", DeleteMany({"user": exactly})
    yield ACCOUNT_EVENTS, DeleteMany({"user": exactly})
    yield ACCOUNT_EVENTS, UpdateMany({"by": exactly}, {"$set": {"by": event.deleted_as}})


def _account_event(event: AccountEvent) -> dict[str, Any]:
    """Return the document of an account's event; `mark` sorts all of them by time."""
    document: dict[str, Any] = msgspec.to_builtins(event)
    document["_id"] = document.pop("id")
    if isinstance(event, AccountDeleted):  # published repeatedly, and stored once
        document["_id"] = document["user"] = document.pop("deleted_as")
    return document | {"mark": mark(event.at, document["_id"])}


def mark(at: float, end: str = "") -> str:
    """Encode a time as text that sorts by time; `end` distinguishes equal times."""
    return f"{at:019.6f} {end}"


def _changes(event: RoomEvent) -> list[UpdateOne]:
    """Return the changes of an event to the message at its target."""
    if not isinstance(event, Change):
        return []
    # With `$eq`, the embedded server does not check for arrays, which may read the whole room.
    named = {"room": event.room, "type": MESSAGE, "position": event.target}
    there: dict[str, Any] = {name: {"$eq": value} for name, value in named.items()}
    match event:
        case MessageEdited():
            # A late redelivery of an edit must not restore an older text. Without `$or`, to which
            # the embedded server gives a lower precedence than to the conditions beside it.
            there |= {"deleted": {"$exists": False}}
            text = {"text": event.text, "edited": event.at, **by_text(event.text)}
            new = {"$set": text | {"revision": event.position}}
            first, older = {"$exists": False}, {"$lt": event.position}
            return [UpdateOne(there | {"revision": revision}, new) for revision in (first, older)]
        case ReactionChanged():
            # The reaction is not a field's name, as it is the user's text.
            pair = {"reactions": {"emoji": one_spelling(event.emoji), "user": event.user}}
            return [UpdateOne(there, {"$addToSet" if event.on else "$pull": pair})]
        case MessageDeleted():
            nothing: dict[str, Any] = {"text": "", "reactions": [], "deleted": True, **by_text("")}
            return [UpdateOne(there, {"$set": nothing})]


def _room_updates(event: RoomEvent) -> list[UpdateOne]:
    if isinstance(event, UserErased):
        return _erased_from_room(event)
    return [_room_update(event)]


def _erased_from_room(event: UserErased) -> list[UpdateOne]:
    room, user = {"_id": event.room}, event.user
    gone = dict.fromkeys(("members", "invited", "muted", "banned"), user)
    in_its_place = {"$addToSet": {"members": event.deleted_as}}
    return [
        UpdateOne(room | {"owner": user}, {"$set": {"owner": ""}}),
        UpdateOne(room | {"kind": "direct", "members": user}, in_its_place),
        UpdateOne(room, {"$max": {"position": event.position}, "$pull": gone}),
        *([UpdateOne(room, {"$set": _called(event.title)})] if event.title else []),
    ]


def _room_update(event: RoomEvent) -> UpdateOne:
    change: dict[str, Any] = {"$max": {"position": event.position}}
    match event:
        case RoomCreated():
            owner = "" if event.room == LOBBY else event.user
            described = {"room": event.room, "kind": event.kind, "owner": owner}
            change["$set"] = _called(event.title) | described
            change["$setOnInsert"] = {
                name: [] for name in ("members", "invited", "muted", "banned")
            }
        case RoomJoined():
            change |= {"$addToSet": {"members": event.user}, "$pull": {"invited": event.user}}
        case RoomLeft():
            change["$pull"] = {"members": event.user, "invited": event.user}
        case UserInvited():
            change["$addToSet"] = {"invited": event.invitee}
        case MemberModerated():
            change |= _moderation(event.member, event.action)
        case RoomDeleted():
            nobody: dict[str, Any] = {
                field: [] for field in ("members", "invited", "muted", "banned")
            }
            change["$set"] = nobody | {"deleted": True}
    return UpdateOne({"_id": event.room}, change, upsert=True)


def _called(title: str) -> dict[str, str]:
    """Return the fields of a room's title, and of its form for searches."""
    return {"title": title, "sought": searchable(title)}


def _moderation(member: str, action: Action) -> dict[str, Any]:
    gone = {"members": member, "invited": member}
    changes: dict[Action, dict[str, Any]] = {
        "mute": {"$addToSet": {"muted": member}},
        "unmute": {"$pull": {"muted": member}},
        "kick": {"$pull": gone},
        "ban": {"$pull": gone, "$addToSet": {"banned": member}},
        "unban": {"$pull": {"banned": member}},
    }
    return changes[action]


def room_info(room: dict[str, Any]) -> RoomInfo:
    """Convert a room's document."""
    deleted = bool(room.get("deleted"))  # not every server distinguishes true from 1
    return msgspec.convert({"room": room["_id"], **room, "deleted": deleted}, RoomInfo)


def listing(room: dict[str, Any]) -> RoomListing:
    """Convert a room's document to its listing for non-members."""
    members = len(room["members"])
    return RoomListing(room=room["_id"], title=room["title"], owner=room["owner"], members=members)


def entry(document: dict[str, Any], text: str = "") -> LogEntry:
    """Convert the document of a room's entry; an edit gets its message's text."""
    # Older versions may have stored a reaction in two spellings.
    reactions: dict[str, dict[str, None]] = {}
    for reaction in document.get("reactions", []):
        reactions.setdefault(one_spelling(reaction["emoji"]), {})[reaction["user"]] = None
    shown = document | {"reactions": {emoji: list(users) for emoji, users in reactions.items()}}
    if document["type"] == EDIT:
        shown["text"] = text  # even if one is stored: older versions kept the texts before edits
    if emoji := document.get("emoji"):
        shown["emoji"] = one_spelling(emoji)
    converted: LogEntry = msgspec.convert(shown, LogEntry, strict=False)
    return converted
