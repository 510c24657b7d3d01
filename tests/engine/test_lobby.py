"""The program on the page of the engine, as it stands there."""

import pytest
import socketio

from tests.conftest import ROOT
from tests.engine.peers import serving


@pytest.fixture
def lobby(own_module):
    """The program, as a module."""
    return own_module(str(ROOT / "tests" / "programs" / "lobby.py"))


async def test_who_says_a_name_talks_in_the_lobby(lobby):
    heard = []
    async with (
        serving(lobby.server) as url,
        socketio.AsyncSimpleClient() as ana,
        socketio.AsyncSimpleClient() as bob,
    ):
        await ana.connect(url, auth={"name": "Ana"})
        await bob.connect(url, auth={"name": "Bob"}, transports=["websocket"])
        assert await ana.call("say", "Hello") == "said"
        for each in ana, bob:
            heard.append(await each.receive(timeout=10))
        assert heard == [["said", "Ana", "Hello"]] * 2
        await lobby.server.shutdown()


async def test_who_says_no_name_stays_outside(lobby):
    client = socketio.AsyncClient(reconnection=False)
    refused = []
    client.on("connect_error", refused.append)
    async with serving(lobby.server) as url:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(url, transports=["websocket"])
        assert refused == [{"message": "say your name"}]
        await lobby.server.shutdown()
