"""People who poll, in the process of the chat: answers come in pieces there."""

import gc
import warnings

import pytest

from nochat.lab.people import Person
from tests.services.conftest import a_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_by_long_polling_alone_no_connection_is_held_by_an_unread_answer(url):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with Person(a_name(), url, ("polling",)) as ana:
            for _ in range(10):
                await ana.says("hello")
                await ana.disconnect()
                await ana.connect()
        gc.collect()
    assert [warning.message for warning in told if warning.category is ResourceWarning] == []
