"""The calls of users' own programs with a token: reading and writing in the users' rooms.

They are equivalent to the actions over sockets (`nochat.protocol.actions`), with the same cost. A
message is answered after the controller has decided, and `activity` has stored it.
"""

import asyncio
import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from nochat.errors import BusError, RequestFailed, Unavailable
from nochat.protocol import incoming, payloads, reasons
from nochat.protocol.actions import ACTIONS, Actor
from nochat.protocol.commands import SendMessage
from nochat.protocol.envelope import caused_by
from nochat.protocol.events import CommandRejected, LogEntry
from nochat.protocol.fields import Count, Kind, Position, RoomId
from nochat.protocol.incoming import Incoming
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import FindMessages, GetRooms, MessageKey
from nochat.runtime.action_limits import ActionLimits
from nochat.services.web.rest import Call, Caller, Empty, NotAllowed, room_in
from nochat.settings import Settings

DECIDED = 10.0  # seconds that a message may take until it is stored
MOST_BYTES = 65_536  # of a request: the longest text, with each character escaped
FIRST_LOOK, LAST_PAUSE = 0.01, 0.5  # seconds before the first check, doubled up to the second


class JoinedRoom(msgspec.Struct, frozen=True):
    """One of the user's rooms: its last position, and the counts of unread messages."""

    room: RoomId
    title: str
    kind: Kind
    position: Position
    read: Position
    unread: Count
    mentions: Count


class JoinedRooms(msgspec.Struct, frozen=True):
    """The user's rooms."""

    rooms: list[JoinedRoom]


class Page(Incoming, frozen=True):
    """A part of a room's log: the entries after `after`, or the newest before `before`."""

    after: Position | None = None
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Entries(msgspec.Struct, frozen=True):
    """A part of a room's log, in order of position; `more` is true if the log continues."""

    room: RoomId
    entries: list[LogEntry]
    more: bool


class NewMessage(Incoming, frozen=True):
    """A message; `client_id` is chosen by the program, and the same in a retry.

    `reply_to` is the position of the message that it answers, or 0.
    """

    client_id: incoming.ClientId
    text: incoming.Message
    reply_to: Position = 0


class StoredMessage(msgspec.Struct, frozen=True):
    """A message in the room's log."""

    client_id: str


class RoomCalls:
    """The calls, and the messages that wait for a decision.

    Args:
        settings: the chat's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._action_limits = ActionLimits(settings)
        self._waiting: dict[str, asyncio.Future[Reason]] = {}
        path = "/api/rooms/{room}/messages"
        self.calls = [
            Call("GET", "/api/rooms", self._rooms, Empty, JoinedRooms, "token"),
            Call("GET", path, self._read, Page, Entries, "token", (403, 404)),
            Call(
                "POST",
                path,
                self._send,
                NewMessage,
                StoredMessage,
                "token",
                (404,),
                most=MOST_BYTES,
            ),
        ]

    def rejected(self, event: CommandRejected) -> None:
        """Tell a waiting call that its command was rejected."""
        if (waiting := self._waiting.get(event.command_id)) and not waiting.done():
            waiting.set_result(Reason.of(event))

    async def _rooms(self, caller: Caller, _: Empty) -> JoinedRooms:
        """List one's own rooms."""
        self._charge(caller, "rooms")
        user = caller.session.user
        answer = await caller.bus.request(GetRooms(user=user))
        mine = [room for room in answer.rooms if user in room.members]
        return JoinedRooms(
            [msgspec.convert(room, JoinedRoom, from_attributes=True) for room in mine]
        )

    async def _read(self, caller: Caller, sent: Page) -> dict[str, Any]:
        """Read a room's log: its messages, joins and departures."""
        self._charge(caller, "history")
        asked = payloads.Page(room_in(caller), sent.after, sent.before, sent.limit)
        actor = Actor(caller.session.user)
        try:
            page: dict[str, Any] = await ACTIONS["history"].act(
                actor, asked, caller.bus, caller.bus.publish
            )
        except RequestFailed as error:
            raise NotAllowed(403, error.reason) from None
        return page

    async def _send(self, caller: Caller, sent: NewMessage) -> StoredMessage:
        """Send a message to a room; answered after it is stored."""
        self._charge(caller, "message", sent.text)
        with caused_by(sent.client_id):
            content = room_in(caller), caller.session.user, sent.client_id, sent.text, sent.reply_to
            await self._say(caller, SendMessage(*content))
        return StoredMessage(sent.client_id)

    async def _say(self, caller: Caller, message: SendMessage) -> None:
        refused = asyncio.get_running_loop().create_future()
        self._waiting[message.id] = refused
        try:
            await _publish(caller, message)
            await self._until_kept(caller, message, refused)
        finally:
            del self._waiting[message.id]

    async def _until_kept(
        self, caller: Caller, message: SendMessage, refused: asyncio.Future[Reason]
    ) -> None:
        """Wait until a message is in the log.

        Raises:
            NotAllowed: it was rejected.
            Unavailable: it was neither stored nor rejected in time.
        """
        asked = MessageKey(message.room, message.sender, message.client_id)
        give_up, pause = time.monotonic() + DECIDED, FIRST_LOOK
        while time.monotonic() < give_up:
            done, _ = await asyncio.wait([refused], timeout=pause)
            if done:
                raise NotAllowed(403, refused.result())
            answer = await caller.bus.request(FindMessages(wanted=[asked]))
            if answer.found:
                return
            pause = min(2 * pause, LAST_PAUSE)
        raise Unavailable(
            "a message waits for the controller, or for the activity store",
            reasons.timed_out("controller", DECIDED),
        )

    def _charge(self, caller: Caller, action: str, text: str = "") -> None:
        """Charge a call like its action.

        Raises:
            NotAllowed: the user or their address exceeds a rate limit.
        """
        payer = caller.session.user, caller.address
        if refusal := self._action_limits.refusal(ACTIONS[action], *payer, {"text": text}):
            raise NotAllowed(429, refusal.reason, refusal.wait)


async def _publish(caller: Caller, message: SendMessage) -> None:
    try:
        async with asyncio.timeout(DECIDED):
            await caller.bus.publish(message)
    except (BusError, TimeoutError) as error:
        said = f"a message can't be published now: {error}"
        raise Unavailable(said, reasons.unavailable("bus")) from None
