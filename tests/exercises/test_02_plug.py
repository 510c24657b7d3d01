"""Exercise 02d, proved both ways: right answers pass, each mistake is named."""

import asyncio
import time

import pytest

from nochat.lab import chat, checks, exercise, people
from nochat.lab.exercise.catalogue import find
from tests.exercises.solutions import solved, stub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def by_the_text(person, text):
    """Make the id of the text itself, and count the tries."""
    for _ in range(100):
        try:
            await person.call("message", {"room": "lobby", "client_id": text[-8:], "text": text})
        except (RuntimeError, TimeoutError):
            await asyncio.sleep(0.1)
        else:
            break


def tries(client_id, pause=0.1):
    async def say_once(person, text):
        while True:
            try:
                return await person.says(text, client_id=client_id)
            except (RuntimeError, TimeoutError):
                await asyncio.sleep(pause)

    return say_once


async def does_nothing(person, text):
    pass


async def tries_once(person, text):
    await person.says(text)


async def hides_the_error(person, text):
    try:
        await person.says(text, client_id=text)
    except (RuntimeError, TimeoutError):
        print("not accepted")


async def catches_too_little(person, text):
    while True:
        try:
            return await person.says(text, client_id=text)
        except TimeoutError:
            await asyncio.sleep(0.1)


async def hurries(person, text):
    while True:
        try:
            return await person.says(text, client_id=text)
        except (RuntimeError, TimeoutError):
            pass


async def breaks(person, text):
    await person.shouts(text)


WRONG = {
    "untouched": does_nothing,
    "gives_up": tries_once,
    "lost": hides_the_error,
    "hurries": hurries,
    "twice": tries(""),
    "same": tries("my-own-id"),
    "failed": breaks,
}


async def test_the_words_of_the_notebook_arrive_once():
    verdict = await exercise.check("02d", solved("02d", asyncio=asyncio, time=time)["say_once"])
    assert verdict.passed, verdict


async def test_ids_that_are_made_of_the_text_pass():
    verdict = await exercise.check("02d", by_the_text)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_of_a_sender_is_named(mistake):
    verdict = await exercise.check("02d", WRONG[mistake])
    assert verdict.mistake == mistake, verdict


async def test_whoever_waits_for_answers_alone_gives_up_at_a_refusal():
    verdict = await exercise.check("02d", catches_too_little)
    assert verdict.mistake == "gives_up", verdict


async def test_the_untouched_cell_is_no_answer():
    verdict = await exercise.check("02d", stub("02d")["say_once"])
    assert verdict.mistake == "untouched", verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG} == {*find("02d").mistakes}


@pytest.mark.timeout(300)
async def test_it_arrives_once_although_the_broker_was_killed_and_a_socket_closed(broker):
    say_once = solved("02d", asyncio=asyncio, time=time)["say_once"]
    closes = iter([True])  # the first time, as a chat does that could not welcome her

    async def as_the_chat_closes_it(person, text):
        if isinstance(person, people.Person) and next(closes, False):
            await person.disconnect()
        return await say_once(person, text)

    with chat.start(bus=broker.url) as running:
        async with (
            people.Person("ana", running.url) as ana,
            people.Person("bob", running.url) as bob,
        ):
            given = {"ana": ana, "bob": bob, "rabbit": broker}
            verdict = await exercise.check("02d", as_the_chat_closes_it, **given)
            assert verdict.passed, verdict

            async def is_stored():
                return any(text.startswith("Still there?") for text in await bob.history())

            assert await checks.until(is_stored)
