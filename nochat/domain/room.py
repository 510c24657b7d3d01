"""One room: what its members may do, and in which order it happened. No bus, no store."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import msgspec

from nochat.domain.client_ids import AHEAD, made_at
from nochat.domain.emoji import one_spelling
from nochat.domain.text import identity, is_deleted
from nochat.protocol import reasons
from nochat.protocol.commands import (
    Command,
    CreateRoom,
    DeleteMessage,
    DeleteRoom,
    EditMessage,
    EraseUser,
    InviteUser,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    ModerateMember,
    OpenDirect,
    React,
    SendMessage,
)
from nochat.protocol.events import (
    CommandRejected,
    Event,
    MemberModerated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReactionChanged,
    RoomCreated,
    RoomDeleted,
    RoomJoined,
    RoomLeft,
    RoomRead,
    UserErased,
    UserInvited,
)
from nochat.protocol.fields import LOBBY, Kind
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import RememberedMessage, RoomState

# Messages that a room recognises when they are sent again; of older ones the log is asked.
REMEMBERED = 1000

MOST_REACTIONS = 50  # different ones to a message
MOST_REACTIONS_OF_ONE = 20  # by one user

DIRECT = "dm-"  # how the ids of direct rooms begin, and no others


def direct_room(one: str, other: str) -> str:
    """Return the id of the room of two users."""
    pair = "/".join(sorted((identity(one), identity(other))))
    return DIRECT + hashlib.sha256(pair.encode()).hexdigest()[:30]


def _sender_of(command: Command) -> str:
    return getattr(command, "user", "") or getattr(command, "sender", "")


class Refused(Exception):
    """A command that is against the rules; the reason is for the user."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass
class Room:
    """A room's state, changed only by `decide`.

    Attributes:
        id: which room.
        title: empty as long as nobody made it.
        kind: who may join: everybody, who is invited, or the two it is for.
        owner: who made it, and moderates it while being a member.
        deleted: whether it was; what its id names, it names for ever.
        members, invited, muted, banned: names of users.
        position: of the last entry in its log.
        recent: when the last messages were sent, by sender and client id, the oldest first.
        since: when the last message was sent that `recent` has forgotten; 0: it has all.
        messages: what is known of messages, by position; `learn` tells of older ones.
        erased: names of deleted accounts; what these had sent before comes too late.
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
    def of(cls, state: RoomState) -> Self:
        """Make the room as the log has it."""
        it = state.room
        room = cls(it.room, it.title, it.kind, it.owner, it.deleted, position=it.position)
        room.members, room.invited = set(it.members), set(it.invited)
        room.muted, room.banned = set(it.muted), set(it.banned)
        for said in state.recent:
            room.recent[said.sender, said.client_id] = said.at
            room.messages[said.position] = said
        if len(state.recent) >= REMEMBERED:
            room.since = state.recent[0].at
        return room

    def unknown(self, command: Command) -> int | None:
        """Return the position of a message that must be learnt before the command is decided."""
        field = "reply_to" if isinstance(command, SendMessage) else "target"
        target: int | None = getattr(command, field, None)
        if target is None or not 0 < target <= self.position:
            return None
        # Nor does an answer take longer where there is a room that its asker may not know of.
        if _sender_of(command) not in self.members and not getattr(command, "manager", False):
            return None
        said = self.messages.get(target)
        if said and isinstance(command, React) and said.sender and not said.deleted:
            return target if said.reactions is None else None
        return None if said else target

    def may_be_old(self, command: Command) -> bool:
        """Tell whether a message may be in the log although it is not among the recent.

        It can't be where its id tells a time that follows all that was forgotten: when those were
        taken, no id was ahead of the time by more than `AHEAD`.
        """
        if not isinstance(command, SendMessage) or not self.since:
            return False
        if (command.sender, command.client_id) in self.recent:
            return False
        made = made_at(command.client_id)
        return made is None or made <= self.since + AHEAD

    def recall(self, sender: str, client_id: str) -> None:
        """Recognise an old message: the log has it."""
        self.recent[sender, client_id] = self.since
        self._forget()

    def learn(self, said: RememberedMessage) -> None:
        """Take in the log's message at a position; without a sender, it is no message."""
        if (known := self.messages.get(said.position)) and known.deleted:
            return  # decided, and not yet in the log
        self.messages[said.position] = said
        self._forget()

    def decide(self, command: Command) -> list[Event]:
        """Decide what happens by this command; nothing, if it happened already."""
        try:
            self._check_not_deleted(command)
            self._check_not_erased(command)
            return self._decisions[type(command)](self, command)
        except Refused as refused:
            user = _sender_of(command)
            client_id = getattr(command, "client_id", "")
            told = refused.reason.fields
            return [CommandRejected(self.id, user, command.id, client_id=client_id, **told)]

    # ---- who is in it ---------------------------------------------------------------------------

    def _create(self, command: CreateRoom) -> list[Event]:
        if self.title or self.id.startswith(DIRECT):
            raise Refused(reasons.room_taken())
        kind: Kind = "private" if command.private else "public"
        return [self._make(command.user, command.title, kind), self._enter(command.user)]

    def _open_direct(self, command: OpenDirect) -> list[Event]:
        pair = command.user, command.peer
        if self.id != direct_room(*pair):
            raise Refused(reasons.direct_other_pair())
        if self.title:
            return []
        made = self._make(command.user, " & ".join(pair), "direct")
        return [made, *(self._enter(user) for user in dict.fromkeys(pair))]

    def _make(self, user: str, title: str, kind: Kind = "public") -> Event:
        self.title, self.kind, self.owner = title, kind, user
        return RoomCreated(self.id, self._next(), user, title, kind)

    def _enter(self, user: str) -> Event:
        self.members.add(user)
        self.invited.discard(user)
        return RoomJoined(self.id, self._next(), user)

    def _join(self, command: JoinRoom) -> list[Event]:
        if command.user in self.members:
            return []
        if not self.title and self.id == LOBBY:  # there before anybody made it; nobody owns it
            made = self._make(command.user, "Lobby")
            self.owner = ""
            return [made, self._enter(command.user)]
        # Uninvited users must not learn that a private room exists, or of a ban there.
        if not self.title or (self.kind != "public" and command.user not in self.invited):
            raise Refused(reasons.room_unknown())
        if command.user in self.banned:
            raise Refused(reasons.room_banned())
        return [self._enter(command.user)]

    def _leave(self, command: LeaveRoom) -> list[Event]:
        if not {command.user} & (self.members | self.invited):
            return []
        if self.kind == "direct":
            raise Refused(reasons.direct_leave())
        self.members.discard(command.user)
        self.invited.discard(command.user)
        return [RoomLeft(self.id, self._next(), command.user)]

    def _delete_room(self, command: DeleteRoom) -> list[Event]:
        if not command.manager:
            raise Refused(reasons.manager_needed())
        if self.deleted:
            return []
        if not self.title or self.kind == "direct":
            raise Refused(reasons.room_unknown())
        if self.id == LOBBY:
            raise Refused(reasons.room_lobby())
        self.deleted = True
        for each in (self.members, self.invited, self.muted, self.banned):
            each.clear()
        self.recent.clear()
        self.messages.clear()
        return [RoomDeleted(self.id, self._next(), command.user, self.title, self.kind)]

    def _invite(self, command: InviteUser) -> list[Event]:
        self._check_member(command.user)
        if self.kind == "direct":
            raise Refused(reasons.direct_full())
        self._check_not_muted(command.user)
        if command.invitee in self.banned:
            raise Refused(reasons.room_user_banned())
        if command.invitee in self.members | self.invited:
            return []
        self.invited.add(command.invitee)
        invited = command.user, command.invitee, self.title, self.kind
        return [UserInvited(self.id, self._next(), *invited)]

    def _moderate(self, command: ModerateMember) -> list[Event]:
        member, action = command.member, command.action
        if not self._moderates(command):
            raise Refused(reasons.room_moderators_only())
        if not self.title:  # Or else who makes the room could be banned from it already.
            raise Refused(reasons.room_unknown())
        if member in (command.user, self.owner) and not command.manager:
            raise Refused(reasons.room_owner())
        marked = {"mute": self.muted, "unmute": self.muted, "ban": self.banned}
        done = member in marked.get(action, self.banned)
        match action:
            case "mute" | "ban" if done:
                return []
            case "unmute" | "unban" if not done:
                return []
            case "mute":
                self.muted.add(member)
            case "unmute":
                self.muted.discard(member)
            case "unban":
                self.banned.discard(member)
            case "kick" if member not in self.members | self.invited:
                raise Refused(reasons.room_user_absent())
            case _:
                self.members.discard(member)
                self.invited.discard(member)
                if action == "ban":
                    self.banned.add(member)
        return [MemberModerated(self.id, self._next(), command.user, member, action)]

    def _erase(self, command: EraseUser) -> list[Event]:
        """Put another name in a user's place; nothing but their messages stays."""
        user, name = command.user, command.deleted_as
        if not self.title or user in self.erased:
            return []
        title = self._title_without(user, name) if self.kind == "direct" else self.title
        if self.kind == "direct" and user in self.members:
            self.members.add(name)
        for people in (self.members, self.invited, self.muted, self.banned):
            people.discard(user)
        self.owner = "" if self.owner == user else self.owner
        self.recent = {
            (name if sender == user else sender, client_id): at
            for (sender, client_id), at in self.recent.items()
        }
        self.messages = {at: _without(said, user, name) for at, said in self.messages.items()}
        self.erased.add(user)
        changed = "" if title == self.title else title
        self.title = title
        return [UserErased(self.id, self._next(), user, name, changed)]

    def _title_without(self, user: str, name: str) -> str:
        """Return the title of a room of two with another name in a member's place."""
        return " & ".join(name if each == user else each for each in self.title.split(" & "))

    def _check_not_erased(self, command: Command) -> None:
        """Refuse commands by, or for, a deleted account."""
        if not self.erased or isinstance(command, EraseUser):
            return
        fields = ("user", "sender", "invitee", "member", "peer")
        if self.erased & {getattr(command, each, "") for each in fields}:
            raise Refused(reasons.account_deleted())

    # ---- what is said in it ---------------------------------------------------------------------

    def _send(self, command: SendMessage) -> list[Event]:
        key = command.sender, command.client_id
        if key in self.recent:
            return []
        self._check_may_write(command.sender)
        if (made_at(command.client_id) or 0.0) > command.at + AHEAD:
            raise Refused(reasons.message_future())
        if command.reply_to and not self._is_message(command.reply_to):
            raise Refused(reasons.message_unknown())
        position = self._next()
        self.recent[key] = command.at
        self.messages[position] = RememberedMessage(position, *key, at=command.at, reactions={})
        self._forget()
        return [MessageSent(self.id, position, *key, command.text, command.reply_to)]

    def _edit(self, command: EditMessage) -> list[Event]:
        self._check_may_write(command.user)
        if self._said(command.target).sender != command.user:
            raise Refused(reasons.message_edit())
        return [MessageEdited(self.id, self._next(), command.user, command.target, command.text)]

    def _delete(self, command: DeleteMessage) -> list[Event]:
        if not (moderates := self._moderates(command)):
            self._check_member(command.user)
        known = self.messages.get(command.target)
        if known and known.deleted:
            return []
        said = self._said(command.target)
        if said.sender != command.user and not moderates:
            raise Refused(reasons.message_delete())
        self.messages[command.target] = msgspec.structs.replace(said, deleted=True)
        return [MessageDeleted(self.id, self._next(), command.user, command.target)]

    def _react(self, command: React) -> list[Event]:
        self._check_may_write(command.user)
        said, emoji = self._said(command.target), one_spelling(command.emoji)
        held = {} if said.reactions is None else said.reactions
        users = held.get(emoji, [])
        if (command.user in users) == command.on:
            return []
        if command.on:
            self._check_reactions(held, emoji, command.user)
            users = [*users, command.user]
        else:
            users = [each for each in users if each != command.user]
        held = {each: who for each, who in (held | {emoji: users}).items() if who}
        self.messages[command.target] = msgspec.structs.replace(said, reactions=held)
        change = command.user, command.target, emoji, command.on
        return [ReactionChanged(self.id, self._next(), *change)]

    @staticmethod
    def _check_reactions(held: dict[str, list[str]], emoji: str, user: str) -> None:
        if sum(user in users for users in held.values()) >= MOST_REACTIONS_OF_ONE:
            raise Refused(reasons.reaction_own_too_many())
        if emoji not in held and len(held) >= MOST_REACTIONS:
            raise Refused(reasons.reaction_too_many())

    def _read(self, command: MarkRead) -> list[Event]:
        self._check_member(command.user)
        return [RoomRead(self.id, command.user, min(command.position, self.position))]

    # ---- what the above share -------------------------------------------------------------------

    def _next(self) -> int:
        self.position += 1
        return self.position

    def _check_not_deleted(self, command: Command) -> None:
        if self.deleted and not isinstance(command, CreateRoom | DeleteRoom | EraseUser):
            raise Refused(reasons.room_unknown())

    def _check_member(self, user: str) -> None:
        if user not in self.members:
            raise Refused(reasons.room_members_only())

    def _moderates(self, command: ModerateMember | DeleteMessage) -> bool:
        """Tell whether a manager sent the command, or the owner, who must be in the room."""
        owns = command.user == self.owner and command.user in self.members
        return self.kind != "direct" and (command.manager or owns)

    def _check_may_write(self, user: str) -> None:
        self._check_member(user)
        self._check_not_muted(user)
        if self.kind == "direct" and any(map(is_deleted, self.members)):
            raise Refused(reasons.account_deleted())

    def _check_not_muted(self, user: str) -> None:
        if user in self.muted:
            raise Refused(reasons.room_muted())

    def _is_message(self, position: int) -> bool:
        """Tell whether there is a message at the position; it may be deleted."""
        said = self.messages.get(position)
        return bool(said and said.sender)

    def _said(self, position: int) -> RememberedMessage:
        said = self.messages.get(position)
        if not said or not said.sender or said.deleted:
            raise Refused(reasons.message_unknown())
        return said

    def _forget(self) -> None:
        if len(self.recent) > REMEMBERED:
            self.since = max(self.since, self.recent.pop(next(iter(self.recent))))
        if len(self.messages) > REMEMBERED:
            del self.messages[next(iter(self.messages))]

    _decisions: ClassVar[dict[type[Command], Callable[[Any, Any], list[Event]]]] = {
        CreateRoom: _create,
        DeleteRoom: _delete_room,
        OpenDirect: _open_direct,
        JoinRoom: _join,
        LeaveRoom: _leave,
        InviteUser: _invite,
        ModerateMember: _moderate,
        EraseUser: _erase,
        SendMessage: _send,
        EditMessage: _edit,
        DeleteMessage: _delete,
        React: _react,
        MarkRead: _read,
    }


def _without(said: RememberedMessage, user: str, name: str) -> RememberedMessage:
    """Take a user out of a message: its sender gets another name, the reactions go."""
    kept = {each: [it for it in who if it != user] for each, who in (said.reactions or {}).items()}
    return msgspec.structs.replace(
        said,
        sender=name if said.sender == user else said.sender,
        reactions=said.reactions and {each: who for each, who in kept.items() if who},
    )
