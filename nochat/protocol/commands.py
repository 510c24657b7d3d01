"""Commands, in the imperative: they change a room, and the controller handles them.

In each room they are handled in one order.
"""

from typing import ClassVar

from nochat.protocol.envelope import Envelope
from nochat.protocol.fields import Action, ClientId, Emoji, Position, RoomId, Text, Title, UserName


class Command(Envelope, frozen=True):
    """An order to change a room: durable, handled once, in one order per room."""

    publisher: ClassVar[str] = "gateway"

    room: RoomId


class CreateRoom(Command, frozen=True, tag="room.create"):
    """Make a room; its maker becomes its first member."""

    user: UserName
    title: Title
    private: bool = False


class OpenDirect(Command, frozen=True, tag="room.open-direct"):
    """Make the room of two users, if it is not there yet."""

    user: UserName
    peer: UserName


class InviteUser(Command, frozen=True, tag="room.invite"):
    """Let a user into a private room, or draw their attention to a public one."""

    user: UserName
    invitee: UserName


class JoinRoom(Command, frozen=True, tag="room.join"):
    """Become a member of a room."""

    user: UserName


class LeaveRoom(Command, frozen=True, tag="room.leave"):
    """Stop being a member of a room, or turn its invitation down."""

    user: UserName


class SendMessage(Command, frozen=True, tag="message.send"):
    """Say something in a room; the sender's own `client_id` makes a retry harmless.

    `reply_to` is the position of the message that it answers; 0: none.
    """

    sender: UserName
    client_id: ClientId
    text: Text
    reply_to: Position = 0


class EditMessage(Command, frozen=True, tag="message.edit"):
    """Give one's own message another text; `target` is its position."""

    user: UserName
    target: Position
    text: Text


class DeleteMessage(Command, frozen=True, tag="message.delete"):
    """Take a message back: its sender may, the owner while in the room, and a manager."""

    user: UserName
    target: Position
    manager: bool = False


class React(Command, frozen=True, tag="message.react"):
    """Put a reaction to a message, or take it away (`on` is false)."""

    user: UserName
    target: Position
    emoji: Emoji
    on: bool = True


class DeleteRoom(Command, frozen=True, tag="room.delete"):
    """Delete a room with all that was said in it: a manager may."""

    user: UserName
    manager: bool = False


class ModerateMember(Command, frozen=True, tag="room.moderate"):
    """Mute, kick or ban a member: the owner may while in the room, and a manager."""

    user: UserName
    member: UserName
    action: Action
    manager: bool = False


class EraseUser(Command, frozen=True, tag="room.erase-user"):
    """Put `deleted_as` in a user's place, whose account is deleted: their messages stay."""

    publisher: ClassVar[str] = "users"

    user: UserName
    deleted_as: UserName


class MarkRead(Command, frozen=True, tag="room.mark-read"):
    """Say that a user has read a room up to a position."""

    user: UserName
    position: Position
