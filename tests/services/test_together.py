"""Questions that many ask at once are few, and nobody gets an answer that is too old."""

import asyncio
import gc

import pytest

from nochat.services.gateway.together import Together


class Oracle:
    """Answers with the number of the question, when it is let."""

    def __init__(self):
        self.together, self.asked, self.let = Together(), 0, asyncio.Event()

    async def answer(self):
        self.asked += 1
        number = self.asked
        await self.let.wait()
        if number == 3:
            raise ValueError("the third")
        return number

    def ask(self, key="a"):
        return asyncio.create_task(self.together.ask(key, self.answer))


@pytest.fixture
def oracle():
    return Oracle()


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_those_who_ask_meanwhile_share_a_question_that_began_after_they_asked(oracle):
    first = oracle.ask()
    await turns()
    others = [oracle.ask() for _ in range(5)]
    stranger = oracle.ask("b")
    await turns()
    assert oracle.asked == 2  # the first's, and that of another key
    oracle.let.set()
    assert [await first, await stranger] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        await others[0]
    told = await asyncio.gather(*others, return_exceptions=True)
    assert {str(error) for error in told} == {"the third"}
    assert await oracle.ask() == 4
    assert oracle.together._under_way == oracle.together._next == {}


async def test_who_gives_up_takes_nobody_along(oracle):
    first = oracle.ask()
    await turns()
    second, other = oracle.ask(), oracle.ask()
    await turns()
    first.cancel()
    second.cancel()
    await turns()
    oracle.let.set()
    assert await other == 2
    assert first.cancelled()
    assert second.cancelled()
    assert oracle.together._under_way == oracle.together._next == {}


async def test_an_error_that_nobody_waits_for_any_more_is_no_error_of_a_task(oracle, caplog):
    asking = [oracle.ask() for _ in range(2)]
    await turns()
    oracle.asked = 2  # the next fails
    for task in asking:
        task.cancel()
    oracle.let.set()
    await turns()
    gc.collect()
    assert oracle.asked == 3
    assert caplog.text == ""
