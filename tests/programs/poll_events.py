"""What the service of polls says and is asked."""

from __future__ import annotations

from typing import ClassVar

from nochat.protocol.events import Event
from nochat.protocol.fields import RoomId, UserName
from nochat.protocol.requests import Reply, Request


class VoteCast(Event, frozen=True, tag="polls.vote-cast"):
    """Somebody voted."""

    publisher: ClassVar[str] = "polls"

    room: RoomId
    user: UserName
    choice: str


class PollOpened(VoteCast, frozen=True, tag="polls.opened"):
    """Somebody was the first to vote in a room."""


class Poll(Reply, frozen=True, tag="polls.poll-is"):
    """The votes, by what they are for."""

    votes: dict[str, int]


class GetPoll(Request[Poll], frozen=True, tag="polls.poll"):
    """Ask how a room's poll stands."""

    service: ClassVar[str] = "polls"

    room: RoomId
