"""People: they come in, talk, hear, and are told why not."""

import pytest

from nochat.lab.checks import until
from nochat.lab.people import Person
from nochat.lab.visitors import NotConnected
from nochat.local.processes import free_port
from nochat.protocol.envelope import new_id


@pytest.fixture
def name():
    """Somebody new: the chat is shared with other tests."""
    return lambda: f"u{new_id()[:8]}"


async def test_two_people_hear_each_other_in_one_order(running, name):
    async with Person(name(), running.url) as ana, Person(name(), running.url) as bob:
        await ana.says("one")
        await bob.says("two")
        for person in (ana, bob):
            await person.until(lambda person=person: len(person.texts()) == 2)
            assert person.texts() == ["one", "two"]


async def test_what_was_said_is_in_the_history(running, name):
    text = name()
    async with Person(name(), running.url) as ana:
        await ana.says(text)

        async def stored():
            return text in await ana.history()

        assert await until(stored)


async def test_by_long_polling_with_upgrade_too(running, name):
    async with Person(name(), running.url, ("polling", "websocket")) as ana:
        await ana.says("hello")
        await ana.until(ana.texts)
        assert ana.texts() == ["hello"]


async def test_returning_people_log_in_and_are_still_members(running, name):
    who = name()
    async with Person(who, running.url):
        pass
    async with Person(who, running.url) as again:
        assert again.rooms == ["lobby"]


async def test_a_new_socket_brings_what_was_missed(running, name):
    async with Person(name(), running.url) as ana, Person(name(), running.url) as bob:
        await ana.says("before")
        await bob.until(bob.texts)
        await bob.disconnect()
        await ana.says("meanwhile")
        await bob.connect()
        await bob.until(lambda: len(bob.texts()) == 2)
        assert bob.texts() == ["before", "meanwhile"]


async def test_a_refusal_has_its_reason(running, name):
    async with Person(name(), running.url) as ana:
        with pytest.raises(RuntimeError, match=rf"{ana.name}: message: .*at most 4000 characters"):
            await ana.says("x" * 5000)


async def test_rest_answers_or_says_why_not(running, name):
    async with Person(name(), running.url) as ana:
        assert (await ana.asks("/api/me"))["user"] == ana.name
        with pytest.raises(RuntimeError, match=r"HTTP 403: only managers"):
            await ana.asks("/api/manage/users")


async def test_a_name_that_is_not_allowed_can_not_come_in(running):
    with pytest.raises(RuntimeError, match="could not log in: HTTP 422"):
        await Person("no spaces, please", running.url).arrive()


async def test_a_name_that_somebody_took_on_the_page_is_told_with_what_to_do(running, name):
    taken = name()
    await Person(taken, running.url, password="of somebody else").arrive()
    with pytest.raises(RuntimeError, match=f"are you {taken} on the page"):
        await Person(taken, running.url).arrive()


async def test_waiting_has_an_end(running, name):
    async with Person(name(), running.url) as ana:
        said = rf"waited 0\.05 s for what {ana.name} is to hear, in vain\. To do: run the cells"
        with pytest.raises(TimeoutError, match=said):
            await ana.until(lambda: False, timeout=0.05)


async def test_people_without_a_connection_say_so(running, name):
    async with Person(name(), running.url) as ana:
        await ana.disconnect()
        assert repr(ana) == f"<{ana.name}: not connected>"
        with pytest.raises(NotConnected, match=f"{ana.name} is not connected. Run the cell"):
            await ana.says("hello")
        advice = rf"To do: {ana.name} is not connected \(client disconnect\): run"
        with pytest.raises(TimeoutError, match=advice):
            await ana.until(lambda: False, timeout=0.05)


async def test_where_no_chat_is_the_error_says_so(name):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RuntimeError, match=f"no chat listens at {url}: start it"):
        await Person(name(), url).arrive()
