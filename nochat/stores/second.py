"""A copy of the activity in a second MongoDB."""

from contextlib import AsyncExitStack

from nochat.errors import Unavailable
from nochat.protocol.events import Event
from nochat.stores.activity import ActivityStore


class SecondStore:
    """A second MongoDB, opened at the first event, so that the chat can start without it.

    Args:
        url: its `mongodb://` URL.
        stack: the exit stack that closes it.
        days: days that the log of accounts and connections is kept; 0 to keep all of it.
    """

    def __init__(self, url: str, stack: AsyncExitStack, days: float = 0) -> None:
        self._url, self._stack, self._days = url, stack, days
        self._store: ActivityStore | None = None

    async def record(self, events: list[Event]) -> None:
        """Store events.

        Raises:
            Unavailable: the server does not answer, refuses the password or can't write.
        """
        try:
            if self._store is None:
                opening = ActivityStore.opened(self._url)
                self._store = await self._stack.enter_async_context(opening)
                await self._stack.enter_async_context(self._store.forgetting(self._days))
            await self._store.record(events)
        except Unavailable as error:
            raise Unavailable(f"the second MongoDB, in NOCHAT_REPLICA_URL: {error}") from None
