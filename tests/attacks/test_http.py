"""Requests that are not what they look like: two bodies in one, another's socket by its id."""

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
import pytest
from websockets.exceptions import InvalidHandshake

from nochat.lab.people import Person
from tests.attacks.test_costs import POLLING, a_websocket, cookie, ended, raw
from tests.attacks.test_doors import failures

pytestmark = pytest.mark.asyncio(loop_scope="module")

LENGTH = "Content-Length: 6"
CHUNKED = "Transfer-Encoding: chunked"
TWO_ENDS = {
    "a length, then chunks": ("1.1", LENGTH, CHUNKED),
    "chunks, then a length": ("1.1", CHUNKED, LENGTH),
    "in capitals": ("1.1", LENGTH.upper(), CHUNKED.upper()),
    "two lengths": ("1.1", LENGTH, "Content-Length: 7"),
    "chunks of HTTP/1.0": ("1.0", CHUNKED),
}


@pytest.mark.parametrize("what", TWO_ENDS)
async def test_a_body_with_two_ends_ends_the_connection(shared, what):
    """A proxy that goes by the other end takes what follows for another visitor's request."""
    version, *headers = TWO_ENDS[what]
    place = urlsplit(shared).netloc
    lines = [f"POST /api/logout HTTP/{version}", f"Host: {place}", "Connection: keep-alive"]
    hidden = f"GET /api/hidden HTTP/1.1\r\nHost: {place}\r\n\r\n"
    reader, writer = await raw(
        shared, "\r\n".join([*lines, *headers, "", "0\r\n\r\n" + hidden, ""])
    )
    answer = await ended(reader)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


BROKEN = {
    "deep, in a field that there is not": b'{"x":' + b"[" * 1100,
    "deep": b"[" * 5000,
    "deep and whole": b'{"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "no UTF-8": b'{"user":"\xff","password":"\xff"}',
    "half of a letter": rb'{"user":"\ud800","password":"x"}',
    "nothing": b"",
}


@pytest.mark.parametrize("what", BROKEN)
async def test_invalid_json_is_refused_and_leaves_no_traceback(shared, caplog, what):
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for path in ("/api/login", "/api/register"):
            async with http.post(shared + path, data=BROKEN[what]) as response:
                assert (path, response.status) in [(path, 400), (path, 422)]
                assert (await response.json())["error"]
    assert failures(caplog) == []


async def polling(person):
    """Open a socket by long polling; returns its address, which holds its id."""
    async with person._http.get(person.url + POLLING) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    return f"{person.url}{POLLING}&sid={sid}"


async def test_the_id_of_anothers_socket_opens_nothing(shared):
    async with Person("vera", shared) as vera, Person("eve", shared) as eve:
        victims = await polling(vera)
        async with vera._http.post(victims, data="40") as response:
            assert response.status == 200
        async with aiohttp.ClientSession() as nobody:
            for thief in (nobody, eve._http):
                for address in (victims, victims.replace("&sid", "&sid=&sid")):
                    async with thief.get(address) as response:
                        assert response.status == 400
                    async with thief.post(address, data='42["join",{"room":"lobby"}]') as response:
                        assert response.status == 400
        path = victims.removeprefix(shared).replace("polling", "websocket")
        for stolen in ("", cookie(eve)):
            with pytest.raises(InvalidHandshake):
                await a_websocket(shared, stolen, path=path).__aenter__()
        heard = ""
        async with asyncio.timeout(10):
            while "welcome" not in heard:  # who opened it goes on
                async with vera._http.get(victims) as response:
                    assert response.status == 200
                    heard += await response.text()


async def test_a_socket_without_a_session_is_told_so(shared):
    async with aiohttp.ClientSession() as nobody:
        async with nobody.get(shared + POLLING) as response:
            address = f"{shared}{POLLING}&sid={json.loads((await response.text())[1:])['sid']}"
        async with nobody.post(address, data="40") as response:
            assert response.status == 200
        async with nobody.get(address) as response:
            assert "log in first" in await response.text()
