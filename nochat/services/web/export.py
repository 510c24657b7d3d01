"""The export of a user's stored data: a JSON document, streamed while it is built.

It contains only the user's own data: neither others' messages nor other members of rooms.
"""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from nochat.bus import Bus
from nochat.protocol.envelope import new_id
from nochat.protocol.requests import (
    Account,
    FindUser,
    GetRecords,
    GetRooms,
    GetSessions,
    GetTokens,
    GetTraces,
    RecordKind,
    RoomSummary,
    SessionInfo,
    TokenInfo,
)

PAGE = 500  # records per request


class OwnRoom(msgspec.Struct, frozen=True):
    """A room, with the user's roles in it."""

    room: str
    title: str
    kind: str
    owner: bool
    member: bool
    invited: bool
    muted: bool
    banned: bool


class OwnMessage(msgspec.Struct, frozen=True):
    """A message of the user; times are in seconds since 1970."""

    room: str
    position: int
    at: float
    text: str
    reply_to: int = 0
    edited: float = 0.0
    deleted: bool = False


class OwnRead(msgspec.Struct, frozen=True):
    """The user's reading position in a room."""

    room: str
    position: int


class OwnMention(msgspec.Struct, frozen=True):
    """A message that mentioned the user, or was sent to them directly."""

    room: str
    position: int
    at: float
    reason: str


class OwnConnection(msgspec.Struct, frozen=True):
    """A socket of the user was opened, or closed after some seconds."""

    type: str
    at: float
    seconds: float | None = None


class OwnAccountEvent(msgspec.Struct, frozen=True):
    """An event of the account, such as a log-in or a change of role."""

    type: str
    at: float
    role: str | None = None
    banned: bool | None = None
    name: str | None = None
    unsaid: int | None = None


class Export(msgspec.Struct, frozen=True):
    """All stored data of a user; messages of a room may be in any order."""

    at: float
    account: Account
    sessions: list[SessionInfo]
    tokens: list[TokenInfo]
    rooms: list[OwnRoom]
    messages: list[OwnMessage]
    reads: list[OwnRead]
    mentions: list[OwnMention]
    connections: list[OwnConnection]
    account_events: list[OwnAccountEvent]


async def pieces(user: str, token: str, bus: Bus) -> AsyncIterator[bytes]:
    """Yield the document in pieces, with at most a page of it in memory."""
    accounts = await bus.request(FindUser(user=user))
    sessions = await bus.request(GetSessions(token=token))
    tokens = await bus.request(GetTokens(token=token))
    rooms = await bus.request(GetRooms(user=user))
    traces = await bus.request(GetTraces(user=user))
    yield b'{"at":' + _json(time.time())
    yield b',"account":' + _json(accounts.accounts[0])
    yield b',"sessions":' + _json(sessions.sessions)
    yield b',"tokens":' + _json(tokens.tokens)
    yield b',"rooms":' + _json([own for room in rooms.rooms if (own := _own(room, user))])
    of_rooms = [GetRecords(user=user, kind="messages", room=room) for room in traces.rooms]
    asked: dict[RecordKind, Iterable[GetRecords]] = {"messages": of_rooms}
    asked |= {kind: [GetRecords(user=user, kind=kind)] for kind in _OTHERS}
    for kind, requests in asked.items():
        yield b"," + _json(kind) + b":["
        async for piece in _list(requests, bus):
            yield piece
        yield b"]"
    yield b"}"


_OTHERS: tuple[RecordKind, ...] = ("reads", "mentions", "connections", "account_events")


async def _list(requests: Iterable[GetRecords], bus: Bus) -> AsyncIterator[bytes]:
    """Yield the items of a list, with commas between."""
    comma = b""
    for request in requests:
        async for records in _pages(request, bus):
            if records:
                yield comma + b",".join(map(_json, records))
                comma = b","


async def _pages(request: GetRecords, bus: Bus) -> AsyncIterator[list[dict[str, Any]]]:
    after: Any = None
    while True:
        asked = msgspec.structs.replace(request, id=new_id(), after=after, limit=PAGE)
        page = await bus.request(asked)
        yield page.records
        if (after := page.after) is None:
            return


def _own(room: RoomSummary, user: str) -> OwnRoom | None:
    """Return the user's roles in a room, or None without any."""
    own = OwnRoom(
        room.room,
        room.title,
        room.kind,
        owner=room.owner == user,
        member=user in room.members,
        invited=room.invited,
        muted=user in room.muted,
        banned=user in room.banned,
    )
    return own if any((own.owner, own.member, own.invited, own.muted, own.banned)) else None


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
