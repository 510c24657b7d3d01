"""notifications: finds out whom a message concerns, and says so."""

import re

from nochat.events import MessageSent, UserNotified
from nochat.markdown import without_code
from nochat.requests import GetRoomState, RoomState
from nochat.room import DIRECT
from nochat.service import Context, Service

service = Service("notifications")

# `@name`, but not inside a word (an address), and without the full stop that ends a sentence.
MENTION = re.compile(r"(?<![\w@])@(\w[\w.-]{0,30}\w)")


@service.on(MessageSent)
async def notify(message: MessageSent, context: Context) -> list[UserNotified]:
    """Tell the other in a room of two, or each member whom a message names."""
    direct = message.room.startswith(DIRECT)
    named = {name.casefold() for name in MENTION.findall(without_code(message.text))}
    if not direct and not named:
        return []
    asked = GetRoomState(room=message.room, recent=False)
    state: RoomState = await context.bus.request(asked)
    return [
        UserNotified(
            member,
            message.room,
            message.position,
            message.sender,
            message.text,
            "direct" if direct else "mention",
        )
        for member in sorted(state.room.members)
        if member != message.sender and (direct or member.casefold() in named)
    ]
