"""A chat whose registration is closed, by REST."""

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from nochat.cli.register import register
from nochat.runtime import bootstrap, registry

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = {"user": "ana", "password": "a good password"}


@pytest.fixture(scope="module")
def closed(settings):
    return msgspec.structs.replace(settings, registration="closed")


@pytest_asyncio.fixture(loop_scope="module")
async def http(closed):
    async with (
        bootstrap.started(registry.services(), closed) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        yield session


async def test_nobody_registers_by_rest(http, closed):
    async with http.get("/api/me") as me:
        assert (await me.json())["registration"] == "closed"
    async with http.post("/api/register", json=ANA) as refused:
        answer = await refused.json()
    assert (refused.status, answer["code"]) == (403, "registration.closed")
    register(closed, **{"name": ANA["user"], "password": ANA["password"]})
    async with http.post("/api/login", json=ANA) as logged_in:
        assert await logged_in.json() == {"user": "ana"}
