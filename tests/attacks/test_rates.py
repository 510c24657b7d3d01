"""Whoever asks for too much is slowed down, and nobody else is."""

import asyncio
import time

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.lab.people import Person
from nochat.runtime import rate_limits
from nochat.runtime.rate_limits import Limit
from nochat.services.gateway import socket_io


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self):
        return self.now


@given(
    st.floats(0.1, 100),
    st.floats(0.1, 60),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_nobody_gets_more_than_the_rate_and_one_burst(rate, burst, pauses):
    clock = Clock()
    limit = Limit(rate, burst, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += limit.wait("ana") == 0
    assert taken <= max(1, rate * burst) + rate * clock.now + 1e-6


@given(st.floats(0.1, 100), st.floats(0.1, 60))
def test_a_client_that_waits_as_told_is_let_in(rate, burst):
    clock = Clock()
    limit = Limit(rate, burst, clock)
    while not (wait := limit.wait("ana")):
        pass
    clock.now += wait * 1.000001 + 1e-9
    assert limit.wait("ana") == 0


def test_others_have_buckets_of_their_own():
    limit = Limit(1, 1, Clock())
    assert limit.wait("eve") == 0
    assert limit.wait("eve") > 0
    assert limit.wait("ana") == 0


def test_a_million_names_take_bounded_memory():
    limit = Limit(1, 1, Clock())
    for number in range(3 * rate_limits.MOST_KEYS):
        limit.wait(f"{number}")
    assert len(limit._buckets) <= rate_limits.MOST_KEYS


def test_a_guessed_account_stays_limited_however_many_others_are_tried():
    clock = Clock()
    limit = Limit(0.1, 100, clock)  # as for the passwords of one account
    while limit.wait("ana") == 0:
        pass
    for number in range(3 * rate_limits.MOST_KEYS):
        clock.now += 0.0001
        limit.wait(f"somebody {number}")
    assert limit.wait("ana") > 0
    clock.now += 1000
    assert limit.wait("ana") == 0


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # who speaks IPv4 is no part of one great network
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("x" * 9999, "x" * 64),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_is_its_network(client, counted):
    assert rate_limits.address({"client": (client, 1)}) == counted


@pytest.mark.slow
async def test_a_network_of_ipv6_has_the_guesses_of_one_address(attacked):
    async with attacked(login_rate=0.1) as url, aiohttp.ClientSession() as http:
        codes = []
        for number in range(12):
            # As proxies write it: with brackets and a port, or without.
            said = f"[2001:db8::{number}]:4{number}" if number % 2 else f"2001:db8:0:0:{number}::1"
            account = {"user": f"user{number}", "password": "a guess"}
            where = {"X-Forwarded-For": said}
            async with http.post(f"{url}/api/login", json=account, headers=where) as response:
                codes.append(response.status)
        assert codes == [401] * 6 + [429] * 6


async def flood(person, seconds):
    """Send as fast as the socket takes it, without waiting for answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and person._socket.connected:
        message = {"room": "lobby", "client_id": f"{time.monotonic_ns()}", "text": "flood"}
        try:
            await person._socket.emit("message", message)
        except Exception:  # the chat has closed the socket
            return
        await asyncio.sleep(0)


@pytest.mark.slow
async def test_a_flooding_user_is_limited_and_disconnected_and_others_are_served(attacked):
    async with (
        attacked() as url,
        Person("eve", url) as eve,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
    ):
        began = time.monotonic()
        flooding = asyncio.create_task(flood(eve, 5))
        for number in range(20):
            await ana.says(f"calm {number}")
        await bob.until(lambda: "calm 19" in bob.texts(), 10)
        await flooding
        await ana.until(lambda: any(e == "presence" and "eve" in d["went"] for e, d in ana.told))
        most = 20 * (socket_io.BURST + time.monotonic() - began) + 1
        assert bob.texts().count("flood") <= most
        await ana.says("it is quiet again")
        await bob.until(lambda: "it is quiet again" in bob.texts())


@pytest.mark.slow
async def test_throttled_clients_are_told_how_long_to_wait(attacked):
    async with attacked(user_rate=1) as url, Person("ana", url) as ana:
        answer = {}
        while "wait" not in answer:
            answer = await ana._socket.call("typing", {"room": "lobby"})
        assert answer["retry"] is True
        assert 0 < answer["wait"] <= 1
        assert "too fast" in answer["error"]


async def statuses(http, url, path, accounts):
    codes = []
    for account in accounts:
        async with http.post(url + path, json=account) as response:
            codes.append(response.status)
            if response.status == 429:
                assert int(response.headers["Retry-After"]) >= 1
    return codes


@pytest.mark.slow
async def test_passwords_can_not_be_guessed_fast(attacked):
    async with attacked() as url, aiohttp.ClientSession() as http:
        guesses = [{"user": "ana", "password": f"guess {n}"} for n in range(15)]
        codes = await statuses(http, url, "/api/login", guesses)
        assert codes[:10] == [401] * 10
        assert set(codes[10:]) == {429}
        [other] = await statuses(http, url, "/api/login", [{"user": "bob", "password": "x"}])
        assert other == 401  # one account's attacker locks out nobody else


@pytest.mark.slow
async def test_another_spelling_is_no_other_account(attacked):
    async with attacked() as url, aiohttp.ClientSession() as http:
        spellings = ["josé", "JOSÉ", "Jose\u0301", "ＪＯＳÉ", "jOsÉ"]
        guesses = [{"user": spellings[n % 5], "password": f"guess {n}"} for n in range(15)]
        codes = await statuses(http, url, "/api/login", guesses)
        assert codes[:10] == [401] * 10
        assert set(codes[10:]) == {429}


@pytest.mark.slow
async def test_one_address_makes_no_accounts_by_the_hundred(attacked):
    async with attacked(login_rate=0.1) as url, aiohttp.ClientSession() as http:
        accounts = [{"user": f"sock{n}", "password": "puppet 123"} for n in range(10)]
        codes = await statuses(http, url, "/api/register", accounts)
        assert codes == [200] * 6 + [429] * 4


@pytest.mark.slow
async def test_an_address_that_asks_too_often_is_turned_away(attacked):
    async with attacked(address_rate=2) as url, aiohttp.ClientSession() as http:
        codes = []
        for _ in range(30):
            async with http.get(f"{url}/healthz") as response:
                codes.append(response.status)
                assert response.content_type == "application/json"
        assert codes[:20] == [200] * 20
        assert codes[-1] == 429
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket")


@pytest.mark.slow
async def test_behind_a_proxy_the_address_is_the_clients_own(attacked):
    async with attacked(address_rate=1) as url, aiohttp.ClientSession() as http:
        for number in range(30):
            headers = {"X-Forwarded-For": f"10.0.0.{number}"}
            async with http.get(f"{url}/healthz", headers=headers) as response:
                assert response.status == 200


@pytest.mark.slow
async def test_clients_can_not_forge_their_address(attacked):
    async with attacked(address_rate=1, proxies="10.9.9.9") as url, aiohttp.ClientSession() as http:
        codes = set()
        for number in range(30):
            headers = {"X-Forwarded-For": f"10.0.0.{number}"}
            async with http.get(f"{url}/healthz", headers=headers) as response:
                codes.add(response.status)
        assert 429 in codes
