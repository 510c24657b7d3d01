"""A user's own service, with events, a question and a store of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from poll_events import GetPoll, Poll, PollOpened, VoteCast

from nochat.protocol.commands import JoinRoom, SendMessage
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.service import Context, Service

log = logging.getLogger(__name__)


@dataclass
class Polls:
    """The votes of each room's poll, by what they are for."""

    votes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def poll(self, asked: GetPoll) -> Poll:
        """Count."""
        choices = list(self.votes.get(asked.room, {}).values())
        return Poll(votes={choice: choices.count(choice) for choice in choices})


service = Service["Polls"]("polls")


@service.resource
@asynccontextmanager
async def polls(context: Context) -> AsyncIterator[Polls]:
    """Know no votes at first."""
    yield Polls()


service.on(GetPoll).method(lambda polls: polls.poll)


@service.on(RoomJoined)
async def follow(event: RoomJoined) -> JoinRoom:
    """Follow people into their rooms."""
    return JoinRoom(event.room, user="polls")


@service.on(MessageSent)
async def vote(said: MessageSent, context: Context[Polls]) -> PollOpened | VoteCast | None:
    """Take what begins with a plus for a vote."""
    if not said.text.startswith("+"):
        return None
    votes = context.resource.votes
    is_first, choice = said.room not in votes, said.text[1:]
    votes.setdefault(said.room, {})[said.sender] = choice
    log.info("a vote", extra={"choice": choice})
    if is_first:
        return PollOpened(said.room, said.sender, choice)
    return VoteCast(said.room, said.sender, choice)


@service.on(PollOpened, VoteCast)
async def tell(event: PollOpened | VoteCast, context: Context[Polls]) -> SendMessage:
    """Say how the poll stands."""
    poll = await context.bus.request(GetPoll(room=event.room))
    text = ", ".join(f"{choice}: {count}" for choice, count in poll.votes.items())
    return SendMessage(event.room, "polls", client_id=event.id, text=text)
