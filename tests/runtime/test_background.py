"""Tasks that nobody waits for: what they fail at is said, once, and by us."""

import asyncio
import gc
import logging

from nochat.runtime.background import Background


async def test_a_failure_is_logged_with_the_name_of_the_task(caplog):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def fail(error):
        raise error

    background = Background(KeyError)
    for error in (RuntimeError("broken"), KeyError("expected")):
        task = background.start(fail(error), name="the work")
        await asyncio.wait([task])
    del task
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == ["the work failed"]
    assert "broken" in caplog.text
    assert told == []


async def test_running_tasks_are_cancelled_silently(caplog):
    background = Background()
    task = background.start(asyncio.Event().wait())
    background.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
