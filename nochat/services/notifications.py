"""notifications: finds out whom a message concerns, and says so."""

import re

from nochat.events import GetRoomState, MessageSent, RoomState, UserMentioned
from nochat.service import Context, Service

service = Service("notifications")

# `@name`, but not inside a word (an address), and without the full stop that ends a sentence.
MENTION = re.compile(r"(?<![\w@])@(\w[\w.-]{0,30}\w)")


@service.on(MessageSent)
async def mention(message: MessageSent, context: Context) -> list[UserMentioned]:
    """Tell each member whom a message names, except its own sender."""
    named = {name.casefold() for name in MENTION.findall(message.text)}
    named.discard(message.sender.casefold())
    if not named:
        return []
    room: RoomState = await context.bus.request(GetRoomState(room=message.room))
    return [
        UserMentioned(member, message.room, message.position, message.sender, message.text)
        for member in sorted(room.members)
        if member.casefold() in named
    ]
