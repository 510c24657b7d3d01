"""A service that rolls dice: the one of notebook 03. `nochat run dice.py` runs it."""

import random

from nochat.protocol.commands import JoinRoom, SendMessage
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.service import Service

service = Service[None]("dice")


@service.on(RoomJoined)
async def follow(event: RoomJoined) -> JoinRoom:
    """Join the rooms that people join."""
    return JoinRoom(event.room, user="dice")


@service.on(MessageSent)
async def roll(said: MessageSent) -> SendMessage | None:
    """Answer /roll with a number, the same for each delivery."""
    if said.text != "/roll":
        return None
    text = f"{said.sender} rolls {random.Random(said.id).randint(1, 6)}"  # noqa: S311 - a game
    return SendMessage(said.room, "dice", client_id=said.id, text=text)
