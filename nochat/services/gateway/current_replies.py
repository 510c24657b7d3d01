"""Requests of a gateway with replies that are never older than the events it has received.

Replies and events arrive on different ways: a reply may lack an event (a ban, a role, the end of a
session) that was received while it was pending, and the gateway would apply the stale state for
good.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from nochat.bus import Bus
from nochat.protocol.events import (
    AccountChanged,
    MemberModerated,
    MessageSent,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    SessionsEnded,
    UserErased,
)
from nochat.protocol.fields import Role
from nochat.protocol.requests import Answer, GetRooms, Request, RoomSummary, Session, WhoIs
from nochat.services.gateway.together import Together

log = logging.getLogger(__name__)

MOST_ASKED = 5  # requests for a room whose reply is older than the events received
Moves = dict[str, int]  # rooms that a user has joined or left, with the entry's position


@dataclass(eq=False)
class Changes:
    """Changes to accounts and their sessions while a reply was pending."""

    ended: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)

    def applied(self, session: Session) -> Session:
        """Return the session with the changes; without a user if it has ended."""
        if session.digest in self.ended or session.user in self.banned:
            return Session()
        role = self.roles.get(session.user, session.role)
        return msgspec.structs.replace(session, role=role)


class CurrentReplies:
    """The requests of one gateway, which also reports its received events here.

    Attributes:
        latest: position of the last entry sent to clients, by room.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus, self._together = bus, Together()
        self.latest: dict[str, int] = {}
        # One set of changes for each pending request.
        self._changes: set[Changes] = set()
        self._moves: dict[str, list[Moves]] = {}

    # ---- events ---------------------------------------------------------------------------------

    def spread(self, entries: list[RoomEvent]) -> None:
        """Record new entries of a room."""
        room = entries[0].room
        self.latest[room] = max(self.latest.get(room, 0), entries[-1].position)
        for entry in entries if self._moves else ():
            if isinstance(entry, RoomJoined):
                user = entry.user
            else:  # The reply also says whether the user is muted.
                user = entry.member if isinstance(entry, MemberModerated) else gone(entry)
            for moves in self._moves.get(user, ()):
                moves[room] = entry.position
            if isinstance(entry, RoomDeleted):
                for moves in (
                    pending for under_way in self._moves.values() for pending in under_way
                ):
                    moves[room] = entry.position

    def sessions_ended(self, event: SessionsEnded) -> None:
        """Record the end of sessions."""
        for changes in self._changes:
            changes.ended.update(event.sessions)

    def account_changed(self, event: AccountChanged) -> None:
        """Record an account's role, and whether it is banned."""
        for changes in self._changes:
            changes.roles[event.user] = event.role
            (changes.banned.add if event.banned else changes.banned.discard)(event.user)

    # ---- requests -------------------------------------------------------------------------------

    async def who_is(self, token: str) -> Session:
        """Return the session of a token; without a user if it has ended."""
        with self._changing() as changes:
            session = await self._request(("session", token), WhoIs(token=token))
            return changes.applied(session)

    async def rooms(self, user: str, room: str = "") -> list[RoomSummary]:
        """Return a user's rooms and invitations, or one of them.

        A room is requested again if its reply is older than the entries sent to clients before the
        request, or than the user's own joins and departures since.
        """
        before = dict(self.latest)
        asked: Moves = {}  # the moves after which a room was requested again
        with self._moving(user) as moves:
            rooms = await self._ask(user, room)

            def is_old(name: str) -> bool:
                if summary := rooms.get(name):
                    return summary.position < max(before.get(name, 0), moves.get(name, 0))
                return moves.get(name, 0) > asked.get(name, 0)

            for _ in range(MOST_ASKED):
                names = [room] if room else [*{**rooms, **moves}]
                for name in (old := [candidate for candidate in names if is_old(candidate)]):
                    asked[name] = moves.get(name, 0)
                    rooms.pop(name, None)
                    rooms |= await self._ask(user, name)
                if not old:
                    break
            left = [candidate for candidate in rooms if is_old(candidate)]
        if left:
            log.warning("%s can't enter %s yet: the store is behind the events", user, left)
        return [summary for name, summary in rooms.items() if name not in left]

    async def _ask(self, user: str, room: str) -> dict[str, RoomSummary]:
        answer = await self._request(("rooms", user, room), GetRooms(user=user, room=room))
        return {summary.room: summary for summary in answer.rooms}

    async def _request(self, same: tuple[str, ...], request: Request[Answer]) -> Answer:
        """Ask; all who ask the same meanwhile share one question, which begins after they asked.

        What is spread until they have its answer, each of them notes for itself.
        """
        return await self._together.ask(same, lambda: self._bus.request(request))

    @contextmanager
    def _changing(self) -> Iterator[Changes]:
        changes = Changes()
        self._changes.add(changes)
        try:
            yield changes
        finally:
            self._changes.discard(changes)

    @contextmanager
    def _moving(self, user: str) -> Iterator[Moves]:
        moves: Moves = {}
        self._moves.setdefault(user, []).append(moves)
        try:
            yield moves
        finally:
            # By identity, as two with the same content are equal.
            others = [other for other in self._moves.pop(user) if other is not moves]
            if others:
                self._moves[user] = others


def gone(entry: RoomEvent) -> str:
    """Return the user who left the room by this entry, or ""."""
    match entry:
        case MessageSent():  # most are
            return ""
        case RoomLeft() | UserErased():
            return entry.user
        case MemberModerated(action="kick" | "ban"):
            return entry.member
        case _:
            return ""


def packets(entries: Iterable[RoomEvent]) -> Iterator[list[RoomEvent]]:
    """Split entries into packets, each of which ends where a user leaves the room."""
    packet: list[RoomEvent] = []
    for entry in entries:
        packet.append(entry)
        if gone(entry):
            yield packet
            packet = []
    if packet:
        yield packet
