"""The fan-out of events from the bus to the sockets that they concern."""

import itertools
from collections.abc import Iterable
from contextlib import suppress

from nochat.errors import NochatError
from nochat.protocol import payloads, reasons
from nochat.protocol.events import (
    AccountChanged,
    CommandRejected,
    MemberModerated,
    MessageSent,
    RoomCreated,
    RoomDeleted,
    RoomEvent,
    RoomJoined,
    RoomRead,
    SessionsEnded,
    TypingStarted,
    UserInvited,
    UserNotified,
)
from nochat.protocol.reasons import Reason
from nochat.runtime.background import Background
from nochat.runtime.rate_limits import Limit
from nochat.services.gateway.connections import Connections
from nochat.services.gateway.current_replies import CurrentReplies, gone, packets

SHOWN = 5.0  # new public rooms per second that are announced to everybody

TOLD = {UserNotified: "notified", RoomRead: "read", CommandRejected: "rejected"}


class FanOut:
    """The sender of events to sockets; it also updates the rooms of each socket."""

    def __init__(
        self, connections: Connections, replies: CurrentReplies, background: Background
    ) -> None:
        self._connections, self._replies = connections, replies
        self._background = background
        self._shown = Limit(SHOWN, 1.0)

    async def spread(self, events: Iterable[RoomEvent]) -> None:
        """Send each room's events to its members, as one packet for events that arrived together.

        A user's departure is the last entry of a packet: the next packet is not for that user.
        """
        for room, group in itertools.groupby(events, lambda event: event.room):
            for packet in packets(group):
                self._replies.spread(packet)
                await self._spread(room, packet)

    async def _spread(self, room: str, entries: list[RoomEvent]) -> None:
        for entry in entries:
            if not isinstance(entry, MessageSent):  # most are
                await self._prepare(room, entry)
        try:
            await self._connections.to_room(room, "entries", payloads.entries(room, entries))
        finally:
            if user := gone(entries[-1]):
                for sid, _ in self._connections.of(user):
                    self._connections.leave(sid, room)
            elif isinstance(entries[-1], RoomDeleted):  # nothing follows in a room
                self._connections.close(room)

    async def _prepare(self, room: str, entry: RoomEvent) -> None:
        """Update sockets and send announcements before an entry is sent to its room."""
        match entry:
            case RoomJoined():
                self._show_room(entry.user, room)
            case RoomCreated(kind="public"):
                if not self._shown.wait("created"):
                    await self._connections.to_all("created", payloads.view(entry))
            case RoomDeleted(kind="public"):
                await self._connections.to_all("deleted", {"room": room})
            case MemberModerated(action="mute" | "unmute"):
                self._connections.mute(entry.member, room, entry.action == "mute")
            case UserInvited():
                await self._connections.to_user(entry.invitee, "invited", payloads.view(entry))

    def _show_room(self, user: str, room: str) -> None:
        sockets = self._connections.of(user)
        for sid, _ in sockets:
            self._connections.enter(sid, room)
        if sockets:  # a new member needs the list of members, but nobody waits for it
            self._background.start(self._introduce(user, room))

    async def _introduce(self, user: str, room: str) -> None:
        """Send a user a room's summary; on failure, the next welcome does."""
        with suppress(NochatError):
            for summary in await self._replies.rooms(user, room):
                self._connections.note_muted(user, summary)
                await self._connections.to_user(user, "room", payloads.summary(summary))

    async def tell(self, events: Iterable[UserNotified | RoomRead | CommandRejected]) -> None:
        """Send users their own events, on all of their sockets."""
        for event in events:
            await self._connections.to_user(event.user, TOLD[type(event)], payloads.view(event))

    async def show_typing(self, event: TypingStarted) -> None:
        """Tell a room's members that a user is typing."""
        shown = {"room": event.room, "user": event.user}
        await self._connections.to_room(event.room, "typing", shown)

    async def end_sessions(self, event: SessionsEnded) -> None:
        """Close the sockets of ended sessions, and send the reason before."""
        self._replies.sessions_ended(event)
        for sid, connection in self._connections.of(event.user):
            if connection.session in event.sessions:
                await self._connections.sign_out(sid, Reason.of(event))

    async def account_changed(self, event: AccountChanged) -> None:
        """Apply a new role or a ban at once."""
        self._replies.account_changed(event)
        for sid, connection in self._connections.of(event.user):
            connection.role = event.role
            if event.banned:
                await self._connections.sign_out(sid, reasons.account_banned())
        await self._connections.to_user(event.user, "role", {"role": event.role})
