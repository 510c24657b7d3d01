"""The clients' actions: the shape of each, and the command or request that it becomes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nochat.bus import Bus
from nochat.domain.room import direct_room
from nochat.errors import RequestFailed
from nochat.protocol import payloads, reasons
from nochat.protocol.commands import (
    Command,
    CreateRoom,
    DeleteMessage,
    EditMessage,
    InviteUser,
    JoinRoom,
    LeaveRoom,
    MarkRead,
    ModerateMember,
    OpenDirect,
    React,
    SendMessage,
)
from nochat.protocol.envelope import Envelope
from nochat.protocol.events import TypingStarted
from nochat.protocol.fields import Role
from nochat.protocol.requests import FindRooms, FindUser, GetHistory, SearchMessages


@dataclass
class Actor:
    """The user of an action: their role, their rooms, and the rooms that they are muted in."""

    user: str
    role: Role = "user"
    rooms: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)

    @property
    def manages(self) -> bool:
        """True if the user is a manager."""
        return self.role == "manager"


Publish = Callable[[Envelope], Awaitable[Any]]  # gives the refusal, if that can't be published
Act = Callable[[Actor, Any, Bus, Publish], Awaitable[Any]]


class Action(NamedTuple):
    """An action: the shape of its data, its effect, and its cost.

    Attributes:
        shape: of its data.
        act: does it; gives what the client is told, if that is more than that it is done.
        cost: how many of the user's actions it counts as.
        price: what else it is counted by (see `nochat.runtime.action_limits`), or "".
    """

    shape: type[Any]
    act: Act
    cost: float = 1.0
    price: str = ""


def _command(make: Callable[[Actor, Any], Command]) -> Act:
    """Make an action that is one command, acknowledged when the broker has it."""
    return lambda actor, sent, _, publish: publish(make(actor, sent))


async def _invite(actor: Actor, sent: payloads.Invitation, bus: Bus, publish: Publish) -> Any:
    invitee = await account(sent.user, bus)
    return await publish(InviteUser(sent.room, actor.user, invitee))


async def _direct(actor: Actor, sent: payloads.Peer, bus: Bus, publish: Publish) -> Any:
    peer = await account(sent.user, bus)
    room = direct_room(actor.user, peer)
    return await publish(OpenDirect(room, actor.user, peer)) or {"room": room}


async def _moderate(actor: Actor, sent: payloads.Moderation, bus: Bus, publish: Publish) -> Any:
    member = await account(sent.user, bus)
    command = ModerateMember(sent.room, actor.user, member, sent.action, actor.manages)
    return await publish(command)


def _typing(actor: Actor, sent: payloads.Room, _: Bus, publish: Publish) -> Awaitable[Any]:
    _check_sees(actor, sent.room)
    if sent.room in actor.muted:
        raise RequestFailed(reasons.room_muted())
    return publish(TypingStarted(sent.room, actor.user))


async def _history(actor: Actor, sent: payloads.Page, bus: Bus, _: Publish) -> dict[str, Any]:
    page = GetHistory(
        user=actor.user, room=sent.room, after=sent.after, before=sent.before, limit=sent.limit
    )
    return payloads.history(await bus.request(page))


async def _search(actor: Actor, sent: payloads.Search, bus: Bus, _: Publish) -> dict[str, Any]:
    if sent.room:
        _check_sees(actor, sent.room)
    asked = SearchMessages(
        user=actor.user, text=sent.text, room=sent.room, before=sent.before, limit=sent.limit
    )
    return payloads.found(await bus.request(asked))


async def _rooms(_: Actor, sent: payloads.Browse, bus: Bus, __: Publish) -> dict[str, Any]:
    asked = FindRooms(text=sent.text, only=sent.only, after=sent.after, limit=sent.limit)
    return payloads.listed(await bus.request(asked))


def _check_sees(actor: Actor, room: str) -> None:
    if room not in actor.rooms:
        raise RequestFailed(reasons.room_members_only())


async def account(name: str, bus: Bus) -> str:
    """Return an account's name in its owner's spelling, which rooms use for their members."""
    answer = await bus.request(FindUser(user=name))
    if not answer.accounts:
        raise RequestFailed(reasons.user_unknown())
    return answer.accounts[0].name


ACTIONS = {
    "message": Action(
        payloads.Message,
        _command(
            lambda actor, payload: SendMessage(
                payload.room, actor.user, payload.client_id, payload.text, payload.reply_to
            )
        ),
    ),
    "edit": Action(
        payloads.Edit,
        _command(
            lambda actor, payload: EditMessage(
                payload.room, actor.user, payload.position, payload.text
            )
        ),
    ),
    "delete": Action(
        payloads.Target,
        _command(
            lambda actor, payload: DeleteMessage(
                payload.room, actor.user, payload.position, actor.manages
            )
        ),
    ),
    "react": Action(
        payloads.Reaction,
        _command(
            lambda actor, payload: React(
                payload.room, actor.user, payload.position, payload.emoji, payload.on
            )
        ),
    ),
    "read": Action(
        payloads.Target,
        _command(lambda actor, payload: MarkRead(payload.room, actor.user, payload.position)),
    ),
    "create": Action(
        payloads.NewRoom,
        _command(
            lambda actor, payload: CreateRoom(
                payload.room, actor.user, payload.title, payload.private
            )
        ),
        price="rooms",
    ),
    "join": Action(
        payloads.Room, _command(lambda actor, payload: JoinRoom(payload.room, actor.user))
    ),
    "leave": Action(
        payloads.Room, _command(lambda actor, payload: LeaveRoom(payload.room, actor.user))
    ),
    # These look up an account, those below read the activity.
    "moderate": Action(payloads.Moderation, _moderate, cost=2),
    "invite": Action(payloads.Invitation, _invite, cost=2, price="invitations"),
    "direct": Action(payloads.Peer, _direct, cost=2, price="invitations"),
    "typing": Action(payloads.Room, _typing),
    "history": Action(payloads.Page, _history, cost=2),
    "rooms": Action(payloads.Browse, _rooms, cost=4),
    "search": Action(payloads.Search, _search, price="searches"),
}
