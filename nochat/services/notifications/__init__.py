"""notifications: notifies the users whom a message mentions, or who receive it directly."""

from nochat.domain.room import DIRECT
from nochat.domain.text import is_deleted
from nochat.protocol.events import MessageSent, UserNotified
from nochat.protocol.requests import GetRoomState
from nochat.service import Context, Service
from nochat.services.notifications.markdown import without_code
from nochat.services.notifications.mentions import may_mention, mentioned

service = Service("notifications")


@service.on(MessageSent)
async def notify(message: MessageSent, context: Context) -> list[UserNotified]:
    """Notify the other member of a direct room, or each mentioned member."""
    direct = message.room.startswith(DIRECT)
    text = without_code(message.text)
    if not direct and not may_mention(text):
        return []
    asked = GetRoomState(room=message.room, recent=False)
    state = await context.bus.request(asked)
    members = {*state.room.members}
    concerned = members if direct else mentioned(text, members)
    return [
        UserNotified(
            member,
            message.room,
            message.position,
            message.sender,
            message.text,
            "direct" if direct else "mention",
        )
        for member in sorted(concerned - {message.sender})
        if not is_deleted(member)
    ]
