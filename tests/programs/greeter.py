"""A user's own bot: greets people in the lobby, and answers whoever mentions it."""

from nochat.protocol.commands import Command, JoinRoom, SendMessage
from nochat.protocol.events import RoomJoined, UserNotified
from nochat.protocol.fields import LOBBY
from nochat.service import Service

NAME = "greeter"

service = Service(NAME)


@service.on(RoomJoined)
async def greet(event: RoomJoined) -> list[Command]:
    """Come too, and say hello."""
    if event.room != LOBBY or event.user == NAME:
        return []
    hello = SendMessage(event.room, NAME, client_id=event.id, text=f"Welcome, {event.user}")
    return [JoinRoom(event.room, NAME), hello]


@service.on(UserNotified)
async def answer(event: UserNotified) -> SendMessage | None:
    """Answer whoever mentions it."""
    if event.user != NAME:
        return None
    return SendMessage(event.room, NAME, client_id=event.id, text=f"Yes, {event.sender}?")
