"""Publishing with a limit: nobody waits for the broker's confirm for ever."""

import asyncio

from nochat.bus import Bus
from nochat.protocol.envelope import Envelope

PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm


async def publish_confirmed(bus: Bus, *events: Envelope) -> None:
    """Publish events; return when the broker has confirmed them.

    Raises:
        TimeoutError: it has not done so in time.
    """
    async with asyncio.timeout(PUBLISH_TIMEOUT):
        await bus.publish(*events)
