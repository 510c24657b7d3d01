"""What Python's collector of cycles looks at while services run."""

import asyncio
import gc

from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap
from nochat.service import Service
from nochat.settings import Settings


async def test_the_collector_passes_by_what_was_there_at_the_start():
    thresholds, seen = gc.get_threshold(), asyncio.get_running_loop().create_future()

    def ready(_):
        seen.set_result((gc.get_freeze_count(), gc.get_threshold()[0]))

    settings = Settings(bus_url=f"memory://{new_id()}")
    running = asyncio.create_task(bootstrap.run([Service("idle")], settings, ready))
    try:
        frozen, threshold = await asyncio.wait_for(seen, 20)
    finally:
        running.cancel()
        await running
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    assert frozen > 10_000
    assert threshold == bootstrap.MOST_YOUNG
