"""Publishing with a timeout on the broker's confirm."""

import asyncio

from nochat.bus import Bus
from nochat.protocol.envelope import Envelope

PUBLISH_TIMEOUT = 10.0  # seconds that a client waits for the broker's confirm


async def publish_confirmed(bus: Bus, *events: Envelope) -> None:
    """Publish events; return when the broker has confirmed them.

    Raises:
        TimeoutError: the broker does not confirm in time.
    """
    async with asyncio.timeout(PUBLISH_TIMEOUT):
        await bus.publish(*events)
