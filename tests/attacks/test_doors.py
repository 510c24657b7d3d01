"""Numbers that no store has and no JSON carries are refused at the doors, and leave nothing."""

import math

import aiohttp
import pytest
from socketio.exceptions import DisconnectedError, TimeoutError

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

NUMBERS = ["nan", "-nan", "inf", "-inf", "Infinity", "1e400", "1e300", "-1", "-1e30", "9" * 400]
QUERIES = [f"since={number}" for number in NUMBERS]
QUERIES += [f"limit={number}" for number in [*NUMBERS, "0", "101", "1.5", str(2**63)]]
HUGE = [10**30, -(10**30), 2**53, 2**63, 2**64, -1, 1.5, math.nan, math.inf, -math.inf, 1e300]


async def test_a_query_is_refused_at_the_door(attacked, caplog):
    jar = aiohttp.CookieJar(unsafe=True)
    unlimited = {"user_rate": 0, "address_rate": 0}
    async with attacked(**unlimited) as url, aiohttp.ClientSession(cookie_jar=jar) as http:
        account = {"user": "ana", "password": "a good password"}
        async with http.post(f"{url}/api/register", json=account) as response:
            assert response.status == 200
        for query in QUERIES:
            async with http.get(f"{url}/api/trends?{query}") as response:
                assert (query[:20], response.status) in [(query[:20], 422), (query[:20], 403)]
    assert failures(caplog) == []


async def test_an_action_is_refused_at_the_door(attacked, caplog):
    async with (
        attacked(user_rate=0, search_rate=0, address_rate=0) as url,
        Person("ana", url) as ana,
    ):
        for number in HUGE:
            await refused(ana, "history", {"room": "lobby", "after": number})
            await refused(ana, "history", {"room": "lobby", "before": number})
            await refused(ana, "history", {"room": "lobby", "limit": number})
            await refused(ana, "search", {"text": "x", "limit": number})
            await refused(ana, "read", {"room": "lobby", "position": number})
            message = {"room": "lobby", "client_id": new_id(), "text": "hi", "reply_to": number}
            await refused(ana, "message", message)
            if number != 1.5:  # a time has fractions
                await refused(ana, "search", {"text": "x", "before": number})
        await ana.says("still here")
        await ana.until(lambda: "still here" in ana.texts())
    assert failures(caplog) == []


async def test_a_number_of_a_thousand_digits_ends_the_socket_and_leaves_no_traceback(
    attacked, caplog
):
    async with (
        attacked(user_rate=0, search_rate=0, address_rate=0) as url,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
    ):
        with pytest.raises((DisconnectedError, TimeoutError)):  # as the client hears of it
            await ana._socket.call("history", {"room": "lobby", "before": 10**1000}, timeout=2)
        await bob.says("others chat on")
        await bob.until(lambda: "others chat on" in bob.texts())
    assert failures(caplog) == []


async def refused(person, action, data):
    answer = await person._socket.call(action, data, timeout=10)
    assert "error" in answer, (action, data)
    assert answer["retry"] is False
    assert "log says why" not in answer["error"]


def failures(caplog):
    return [
        record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= 40
    ]
