"""Requests of a gateway whose answers are never older than the events it has heard.

An answer takes its own way: what was spread while it was under way (a ban, a role, the end of a
session) may not be in it. The gateway would go by the answer, and for good.
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

MOST_ASKED = 5  # times that a room is asked for whose answer is older than what was spread

Moves = dict[str, int]  # rooms that a user came into or is out of, by the entry at a position


@dataclass(eq=False)
class Changes:
    """Changes to accounts and their sessions while an answer was under way."""

    ended: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)

    def applied(self, session: Session) -> Session:
        """Return the session as it is by now; without a user, if it is over."""
        if session.digest in self.ended or session.user in self.banned:
            return Session()
        role = self.roles.get(session.user, session.role)
        return msgspec.structs.replace(session, role=role)


class CurrentReplies:
    """The requests of one gateway, which reports the events it has spread.

    Attributes:
        latest: position of the last entry that was spread, by room.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus, self._together = bus, Together()
        self.latest: dict[str, int] = {}
        # Of each question under way; nothing is kept for longer.
        self._changes: set[Changes] = set()
        self._moves: dict[str, list[Moves]] = {}

    # ---- what is spread -------------------------------------------------------------------------

    def spread(self, entries: list[RoomEvent]) -> None:
        """Note what happened in a room."""
        room = entries[0].room
        self.latest[room] = max(self.latest.get(room, 0), entries[-1].position)
        for entry in entries if self._moves else ():
            if isinstance(entry, RoomJoined):
                user = entry.user
            else:  # Muted or not is in the answer as well.
                user = entry.member if isinstance(entry, MemberModerated) else gone(entry)
            for moves in self._moves.get(user, ()):
                moves[room] = entry.position
            if isinstance(entry, RoomDeleted):
                for moves in (
                    pending for under_way in self._moves.values() for pending in under_way
                ):
                    moves[room] = entry.position

    def sessions_ended(self, event: SessionsEnded) -> None:
        """Note that sessions are over."""
        for changes in self._changes:
            changes.ended.update(event.sessions)

    def account_changed(self, event: AccountChanged) -> None:
        """Note an account's role, and whether it is banned."""
        for changes in self._changes:
            changes.roles[event.user] = event.role
            (changes.banned.add if event.banned else changes.banned.discard)(event.user)

    # ---- what is asked --------------------------------------------------------------------------

    async def who_is(self, token: str) -> Session:
        """Return the session of a token; without a user, if it is over by now."""
        with self._changing() as changes:
            session = await self._request(("session", token), WhoIs(token=token))
            return changes.applied(session)

    async def rooms(self, user: str, room: str = "") -> list[RoomSummary]:
        """Return the rooms that a user may see, or one of them.

        A room is asked for again where its answer is older than what was spread before it was
        asked for, or than the user's own coming and going since.
        """
        before = dict(self.latest)
        asked: Moves = {}  # after which moves a room was asked for again
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
            # By identity: two that noted the same are equal.
            others = [other for other in self._moves.pop(user) if other is not moves]
            if others:
                self._moves[user] = others


def gone(entry: RoomEvent) -> str:
    """Return who left the room by this entry, if anybody."""
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
    """Split the entries into packets, each of which ends where somebody leaves the room."""
    packet: list[RoomEvent] = []
    for entry in entries:
        packet.append(entry)
        if gone(entry):
            yield packet
            packet = []
    if packet:
        yield packet
