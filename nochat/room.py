"""One room: what its members may do, and in which order it happened. No bus, no store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from nochat.events import (
    LOBBY,
    Command,
    CommandRejected,
    CreateRoom,
    Event,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    MessageSent,
    RoomCreated,
    RoomJoined,
    RoomLeft,
    RoomRead,
    RoomState,
    SendMessage,
)

# Messages that a room recognises when they are sent again. A retry that comes later still is
# stored once: the store refuses a second message of the same sender and client id.
REMEMBERED = 1000


@dataclass
class Room:
    """A room's state, changed only by `decide`."""

    id: str
    title: str = ""
    members: set[str] = field(default_factory=set)
    position: int = 0
    recent: dict[tuple[str, str], None] = field(default_factory=dict)

    @classmethod
    def of(cls, state: RoomState) -> Self:
        """The room as the log has it."""
        recent = dict.fromkeys(state.recent)
        return cls(state.room, state.title, set(state.members), state.position, recent)

    def decide(self, command: Command) -> list[Event]:
        """What happens by this command; nothing, if it happened already."""
        return self._decisions[type(command)](self, command)

    def _next(self) -> int:
        self.position += 1
        return self.position

    def _reject(self, command: Command, user: str, reason: str) -> list[Event]:
        client_id = getattr(command, "client_id", "")
        return [CommandRejected(self.id, user, command.id, reason, client_id)]

    def _create(self, command: CreateRoom) -> list[Event]:
        if self.title:
            return self._reject(command, command.user, "a room of that name is there already")
        return [self._make(command.user, command.title), self._enter(command.user)]

    def _make(self, user: str, title: str) -> Event:
        self.title = title
        return RoomCreated(self.id, self._next(), user, title)

    def _enter(self, user: str) -> Event:
        self.members.add(user)
        return RoomJoined(self.id, self._next(), user)

    def _join(self, command: JoinRoom) -> list[Event]:
        if command.user in self.members:
            return []
        if self.title:
            return [self._enter(command.user)]
        if self.id == LOBBY:  # the one room that is there before anybody made it
            return [self._make(command.user, "Lobby"), self._enter(command.user)]
        return self._reject(command, command.user, "there is no such room")

    def _leave(self, command: LeaveRoom) -> list[Event]:
        if command.user not in self.members:
            return []
        self.members.remove(command.user)
        return [RoomLeft(self.id, self._next(), command.user)]

    def _send(self, command: SendMessage) -> list[Event]:
        key = command.sender, command.client_id
        if key in self.recent:
            return []
        if command.sender not in self.members:
            return self._reject(command, command.sender, "only members may write here")
        self.recent[key] = None
        if len(self.recent) > REMEMBERED:
            del self.recent[next(iter(self.recent))]
        return [MessageSent(self.id, self._next(), *key, command.text)]

    def _read(self, command: MarkRead) -> list[Event]:
        if command.user not in self.members:
            return self._reject(command, command.user, "only members may read here")
        return [RoomRead(self.id, command.user, min(command.position, self.position))]

    _decisions: ClassVar[dict[type[Command], Callable[[Any, Any], list[Event]]]] = {
        CreateRoom: _create,
        JoinRoom: _join,
        LeaveRoom: _leave,
        SendMessage: _send,
        MarkRead: _read,
    }
