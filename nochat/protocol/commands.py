"""Commands, in the imperative: they change a room, and the controller handles them.

The commands of each room are handled in order.
"""

from typing import ClassVar

from nochat.protocol.envelope import Envelope
from nochat.protocol.fields import Action, ClientId, Emoji, Position, RoomId, Text, Title, UserName


class Command(Envelope, frozen=True):
    """A command to change a room: durable, handled once, and in order within the room."""

    publisher: ClassVar[str] = "gateway"

    room: RoomId


class CreateRoom(Command, frozen=True, tag="room.create"):
    """Create a room; its creator becomes its owner and first member."""

    user: UserName
    title: Title
    private: bool = False


class OpenDirect(Command, frozen=True, tag="room.open-direct"):
    """Create the direct room of two users, if it does not exist yet."""

    user: UserName
    peer: UserName


class InviteUser(Command, frozen=True, tag="room.invite"):
    """Invite a user to a room: a private one admits only invited users."""

    user: UserName
    invitee: UserName


class JoinRoom(Command, frozen=True, tag="room.join"):
    """Join a room."""

    user: UserName


class LeaveRoom(Command, frozen=True, tag="room.leave"):
    """Leave a room, or decline its invitation."""

    user: UserName


class SendMessage(Command, frozen=True, tag="message.send"):
    """Send a message to a room; the sender's own `client_id` makes a retry idempotent.

    `reply_to` is the position of the message that it answers, or 0.
    """

    sender: UserName
    client_id: ClientId
    text: Text
    reply_to: Position = 0


class EditMessage(Command, frozen=True, tag="message.edit"):
    """Edit one's own message; `target` is its position."""

    user: UserName
    target: Position
    text: Text


class DeleteMessage(Command, frozen=True, tag="message.delete"):
    """Delete a message, as its sender, as the room's owner and a member, or as a manager."""

    user: UserName
    target: Position
    manager: bool = False


class React(Command, frozen=True, tag="message.react"):
    """Add a reaction to a message, or remove it (`on` is false)."""

    user: UserName
    target: Position
    emoji: Emoji
    on: bool = True


class DeleteRoom(Command, frozen=True, tag="room.delete"):
    """Delete a room with all its messages, as a manager."""

    user: UserName
    manager: bool = False


class ModerateMember(Command, frozen=True, tag="room.moderate"):
    """Mute, kick or ban a member, as the room's owner and a member, or as a manager."""

    user: UserName
    member: UserName
    action: Action
    manager: bool = False


class EraseUser(Command, frozen=True, tag="room.erase-user"):
    """Replace a deleted account's name by `deleted_as` in a room; its messages stay."""

    publisher: ClassVar[str] = "users"

    user: UserName
    deleted_as: UserName


class MarkRead(Command, frozen=True, tag="room.mark-read"):
    """Record that a user has read a room up to a position."""

    user: UserName
    position: Position
