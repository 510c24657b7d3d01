"""A room's state, and the effect of each event on it, without bus and store."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

import msgspec

from nochat.domain.client_ids import AHEAD
from nochat.domain.text import identity
from nochat.protocol.events import (
    MemberModerated,
    MessageDeleted,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomLeft,
    UserErased,
    UserInvited,
)
from nochat.protocol.fields import LOBBY, Kind
from nochat.protocol.requests import KnownRoom, RememberedMessage, RoomInfo, RoomState

# A room recognizes this many messages when they are sent again, and all of the last seconds: the id
# of a new message is then later than all that were forgotten, and need not be looked up in the log.
REMEMBERED = 1000
LATEST = 2 * AHEAD  # seconds
MOST = 20_000  # messages, however fast the room is

DIRECT = "dm-"  # prefix of the ids of direct rooms, and of no others


def direct_room(one: str, other: str) -> str:
    """Return the id of the room of two users."""
    pair = "/".join(sorted((identity(one), identity(other))))
    return DIRECT + hashlib.sha256(pair.encode()).hexdigest()[:30]


@dataclass
class Room:
    """A room's state: the result of the events in its log, changed by `apply` alone.

    Attributes:
        id: the room's id.
        title: the title; empty until the room is created.
        kind: public, private (by invitation) or direct (for two users).
        owner: the creator, who moderates the room while being a member.
        deleted: whether the room was deleted; its id is never used again.
        members, invited, muted, banned: names of users.
        position: position of the last entry in its log.
        recent: times of the last messages, by sender and client id, the oldest first.
        since: time of the last message that `recent` has dropped; 0 if it holds all.
        messages: the known messages, by position; `learn` adds older ones.
        erased: names of deleted accounts, whose late commands are rejected.
    """

    id: str
    title: str = ""
    kind: Kind = "public"
    owner: str = ""
    deleted: bool = False
    members: set[str] = field(default_factory=set)
    invited: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    position: int = 0
    recent: dict[tuple[str, str], float] = field(default_factory=dict)
    since: float = 0.0
    messages: dict[int, RememberedMessage] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, state: RoomState | KnownRoom) -> Self:
        """Create the room from its state in the log."""
        info = state.room
        room = cls(
            info.room, info.title, info.kind, info.owner, info.deleted, position=info.position
        )
        room.members, room.invited = set(info.members), set(info.invited)
        room.muted, room.banned = set(info.muted), set(info.banned)
        for said in state.recent:
            room.recent[said.sender, said.client_id] = said.at
            room.messages[said.position] = said
        room.since = state.since
        if not room.since and len(state.recent) >= REMEMBERED:  # older services leave it out
            room.since = state.recent[0].at
        return room

    @property
    def info(self) -> RoomInfo:
        """The room's state as the log stores it, without its messages."""
        return RoomInfo(
            room=self.id,
            title=self.title,
            kind=self.kind,
            owner=self.owner,
            members=sorted(self.members),
            invited=sorted(self.invited),
            muted=sorted(self.muted),
            banned=sorted(self.banned),
            position=self.position,
            deleted=self.deleted,
        )

    def recall(self, sender: str, client_id: str) -> None:
        """Remember a message that was found in the log, so that a retry of it is recognized."""
        self.recent[sender, client_id] = self.since
        self._forget(self.since)

    def learn(self, said: RememberedMessage) -> None:
        """Store the log's entry at a position; an entry without a sender is not a message."""
        if (known := self.messages.get(said.position)) and known.deleted:
            return  # the deletion is decided, and not yet in the log
        self.messages[said.position] = said
        self._trim()

    def apply(self, event: RoomEvent) -> None:
        """Apply the next event in the log; nothing else changes the state.

        The activity store's documents and the page's model of a room follow the same rules: a test
        compares the three.
        """
        self.position = event.position
        match event:
            case RoomCreated():
                self.title, self.kind = event.title, event.kind
                # The lobby exists before anybody creates it, and nobody owns it.
                self.owner = "" if self.id == LOBBY else event.user
            case RoomDeleted():
                self._clear()
            case RoomJoined():
                self.members.add(event.user)
                self.invited.discard(event.user)
            case RoomLeft():
                self._remove(event.user)
            case UserInvited():
                self.invited.add(event.invitee)
            case MemberModerated():
                self._moderate(event)
            case UserErased():
                self._erase(event)
            case MessageSent():
                self._add(event)
            case MessageDeleted() | ReactionChanged():
                self._change(event)

    def _clear(self) -> None:
        self.deleted = True
        for users in (self.members, self.invited, self.muted, self.banned):
            users.clear()
        self.recent.clear()
        self.messages.clear()

    def _remove(self, user: str) -> None:
        self.members.discard(user)
        self.invited.discard(user)

    def _moderate(self, event: MemberModerated) -> None:
        match event.action:
            case "mute":
                self.muted.add(event.member)
            case "unmute":
                self.muted.discard(event.member)
            case "unban":
                self.banned.discard(event.member)
            case "kick":
                self._remove(event.member)
            case "ban":
                self._remove(event.member)
                self.banned.add(event.member)

    def _erase(self, event: UserErased) -> None:
        """Replace a user's name on messages, and remove the user from everything else."""
        user, name = event.user, event.deleted_as
        if self.kind == "direct" and user in self.members:
            self.members.add(name)
        for people in (self.members, self.invited, self.muted, self.banned):
            people.discard(user)
        self.owner = "" if self.owner == user else self.owner
        self.title = event.title or self.title
        self.recent = {
            (name if sender == user else sender, client_id): at
            for (sender, client_id), at in self.recent.items()
        }
        self.messages = {at: _without(said, user, name) for at, said in self.messages.items()}
        self.erased.add(user)

    def _add(self, event: MessageSent) -> None:
        key = event.sender, event.client_id
        self.recent[key] = event.at
        self.messages[event.position] = RememberedMessage(
            event.position, *key, at=event.at, reactions={}
        )
        self._forget(event.at)
        self._trim()

    def _change(self, event: MessageDeleted | ReactionChanged) -> None:
        if not (said := self.messages.get(event.target)):
            return
        if isinstance(event, MessageDeleted):
            changed = msgspec.structs.replace(said, deleted=True, reactions={})
        else:
            held = said.reactions or {}
            users = [user for user in held.get(event.emoji, []) if user != event.user]
            if event.on:
                users.append(event.user)
            reactions = {emoji: who for emoji, who in (held | {event.emoji: users}).items() if who}
            changed = msgspec.structs.replace(said, reactions=reactions)
        self.messages[event.target] = changed

    def _forget(self, now: float) -> None:
        while len(self.recent) > REMEMBERED:
            first, at = next(iter(self.recent.items()))
            if at > now - LATEST and len(self.recent) <= MOST:
                break
            del self.recent[first]
            self.since = max(self.since, at)

    def _trim(self) -> None:
        if len(self.messages) > REMEMBERED:
            del self.messages[next(iter(self.messages))]


def _without(said: RememberedMessage, user: str, name: str) -> RememberedMessage:
    """Return a message with its sender renamed and the user's reactions removed."""
    kept = {
        emoji: [other for other in who if other != user]
        for emoji, who in (said.reactions or {}).items()
    }
    return msgspec.structs.replace(
        said,
        sender=name if said.sender == user else said.sender,
        reactions=said.reactions and {emoji: who for emoji, who in kept.items() if who},
    )
