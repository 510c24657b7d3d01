"""Servers of the engine, each on a port of its own in the test's loop."""

from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.engine.peers import Echo, Peer, Watching, serving


@pytest.fixture
async def serve():
    """Starts a server; gives a client of it: `peer = await serve(Echo, ping_interval=0.3)`."""
    async with AsyncExitStack() as stack:

        async def start(kind=Echo, **options):
            guard = Watching()
            server = kind(guard, **options)
            url = await stack.enter_async_context(serving(server))
            stack.push_async_callback(server.shutdown)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Peer(http, server, guard, url)

        yield start


@pytest.fixture
async def peer(serve):
    """A client of a server of Engine.IO that echoes."""
    return await serve()
