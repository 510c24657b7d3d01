"""Things that are opened side by side and closed one by one."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest

from nochat.runtime.lifetimes import side_by_side


class Doors:
    """Things to open, and what became of them."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.errors: list[BaseException] = []
        self.opening, self.all_there = 0, asyncio.Event()
        self.broken, self.told = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def door(self, name: str, together: int = 1):
        """Opens when so many are being opened."""
        self.opening += 1
        if self.opening == together:
            self.all_there.set()
        try:
            await self.all_there.wait()
            task = asyncio.current_task()
            self.said.append(f"open {name}")
            yield name
            assert asyncio.current_task() is task
            self.said.append(f"close {name}")
        except asyncio.CancelledError:
            self.said.append(f"cancel {name}")
            raise

    @asynccontextmanager
    async def never(self):
        self.opening += 1
        try:
            await asyncio.Event().wait()
            yield
        finally:
            self.said.append("cancel never")

    @asynccontextmanager
    async def stuck(self):
        self.said.append("stuck")
        yield "stuck"
        raise OSError("stuck")

    @asynccontextmanager
    async def locked(self):
        raise OSError("locked")
        yield

    @asynccontextmanager
    async def breaking(self):
        async def breaks() -> None:
            await self.broken.wait()
            raise OSError("broken")

        async with asyncio.TaskGroup() as group:
            group.create_task(breaks())
            yield "breaking"

    def open(self, *openings):
        return side_by_side(openings, self.failed)

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)
        self.told.set()


@pytest.fixture
async def doors():
    return Doors()


async def test_all_are_open_at_once_and_closed_one_by_one(doors):
    openings = [partial(doors.door, name, 3) for name in "abc"]
    async with doors.open(*openings) as names:
        assert names == ["a", "b", "c"]
        assert sorted(doors.said) == ["open a", "open b", "open c"]
    assert doors.said[3:] == ["close c", "close b", "close a"]
    assert doors.errors == []


async def test_the_first_error_is_raised_and_what_is_open_is_closed(doors):
    with pytest.raises(OSError, match="locked"):
        async with doors.open(partial(doors.door, "a"), doors.never, doors.locked):
            doors.said.append("inside")
    assert doors.said == ["open a", "cancel never", "close a"]
    assert doors.errors == []


async def test_a_cancelled_start_leaves_nothing_open(doors):
    async def start() -> None:
        async with doors.open(doors.never, partial(doors.door, "b", 2)):
            doors.said.append("inside")

    task = asyncio.create_task(start())
    await doors.all_there.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert doors.said == ["open b", "close b", "cancel never"]


async def test_one_that_can_not_be_closed_keeps_no_other_open(doors):
    with pytest.raises(OSError, match="stuck"):
        async with doors.open(partial(doors.door, "a"), doors.stuck):
            pass
    assert doors.said[-1] == "close a"


async def test_one_that_breaks_later_is_told_of(doors):
    async with doors.open(doors.breaking, partial(doors.door, "a")):
        assert doors.errors == []
        doors.broken.set()
        await doors.told.wait()
    (error,) = doors.errors
    assert isinstance(error, ExceptionGroup)
    assert doors.said == ["open a", "close a"]
