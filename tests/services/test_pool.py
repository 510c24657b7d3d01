"""Work that costs much: few at a time, and nobody waits long for a turn."""

import asyncio
import threading
from contextlib import closing

import pytest

from nochat.errors import Busy
from nochat.protocol.reasons import log_in_busy
from nochat.services.users.pool import BoundedPool


class Work:
    """Calls that go on until told to end."""

    def __init__(self):
        self.begun, self.end = threading.Semaphore(0), threading.Event()
        self.at_once, self.most = 0, 0

    def __call__(self, result):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.release()
        assert self.end.wait(10)
        self.at_once -= 1
        return result

    async def has_begun(self, times):
        for _ in range(times):
            assert await asyncio.to_thread(self.begun.acquire, timeout=10)


async def test_few_are_called_at_a_time_and_all_are_answered():
    with closing(BoundedPool(log_in_busy(), threads=2, most=8, patience=10)) as pool:
        work = Work()
        calls = [asyncio.create_task(pool.run(work, number)) for number in range(8)]
        await work.has_begun(2)
        work.end.set()
        assert await asyncio.gather(*calls) == list(range(8))
    assert work.most == 2


async def test_a_full_pool_says_at_once_when_to_come_again():
    with closing(BoundedPool(log_in_busy(), threads=1, most=1, patience=2)) as pool:
        work = Work()
        calls = [asyncio.create_task(pool.run(work, number)) for number in range(2)]
        await work.has_begun(1)
        with pytest.raises(Busy, match="many people") as told:
            await pool.run(work, 3)
        assert told.value.wait == 2
        work.end.set()
        assert await asyncio.gather(*calls) == [0, 1]
        assert await pool.run(work, 4) == 4  # there is room again


async def test_work_whose_caller_gave_up_is_not_done():
    with closing(BoundedPool(log_in_busy(), threads=1, most=9, patience=0)) as pool:
        called = []
        with pytest.raises(Busy, match="many people"):
            await pool.run(called.append, 1)
        assert called == []


async def test_an_error_is_the_callers():
    with closing(BoundedPool(log_in_busy())) as pool, pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)
