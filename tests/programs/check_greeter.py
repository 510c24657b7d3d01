"""Tests of the greeter, without any server: `python -m unittest check_greeter`."""

from unittest import IsolatedAsyncioTestCase

import greeter

from nochat.testing import Chat


class Greeter(IsolatedAsyncioTestCase):
    """What the greeter says."""

    async def test_it_welcomes_people_in_the_lobby(self) -> None:
        """Whoever comes in reads a welcome, once."""
        async with Chat(greeter.service) as chat:
            await chat.person("ana").join()
            assert chat.room().texts(by="greeter") == ["Welcome, ana"]
            assert chat.room().members == ["ana", "greeter"]

    async def test_it_answers_whoever_mentions_it(self) -> None:
        """Others are left alone: all that a message caused is done when `say` returns."""
        async with Chat(greeter.service) as chat:
            ana = chat.person("ana")
            await ana.say("hello everybody")
            await ana.say("hello @greeter")
            assert chat.room().texts(by="greeter") == ["Welcome, ana", "Yes, ana?"]
