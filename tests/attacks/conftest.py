"""A chat to attack, with its limits as they are by default, on addresses of its own."""

import asyncio
import os
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from nochat.lab import chat as lab_chat
from nochat.lab.chat import RATES
from nochat.local import embedded
from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, registry
from nochat.settings import Settings


def pytest_generate_tests(metafunc):
    """Try each engine where a test is marked so; here alone, as containers have one."""
    if metafunc.definition.get_closest_marker("each_engine"):
        metafunc.parametrize("engine", ["nochat", "python-socketio"])


@pytest.fixture
def engine():
    """Name the engine, as the environment says; see `pytest_generate_tests`."""
    return os.environ.get("NOCHAT_ENGINE", "nochat")


@pytest.fixture
def attacked(tmp_path, engine, _quick_passwords):
    """A chat in this process: `async with attacked(user_rate=5) as url`."""

    @asynccontextmanager
    async def running(**given):
        bus = f"memory://{new_id()}"
        options = {"data_dir": str(tmp_path), "port": 0, "replica_url": "off", "engine": engine}
        settings = Settings(bus_url=bus, **options | given)
        services = registry.services(registry.names(settings))
        async with bootstrap.started(services, settings) as url:
            yield url

    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory, _quick_passwords):
    """One chat without limits, for the tests of a module that change nothing in it."""
    folder = str(tmp_path_factory.mktemp("data"))
    settings = Settings(
        bus_url=f"memory://{new_id()}",
        data_dir=folder,
        port=0,
        replica_url="off",
        **dict.fromkeys(RATES, 0.0),
    )
    async with bootstrap.started(registry.services(registry.names(settings)), settings) as url:
        yield url


@pytest.fixture(scope="module")
def chat():
    """One chat without limits in a process of its own, which an attack may bring down."""
    with lab_chat.start(**lab_chat.UNLIMITED) as chat:
        yield chat


@pytest_asyncio.fixture
async def activity():
    """The embedded activity store, to be filled behind the chat's back; gives its URL."""
    url, kept = await asyncio.to_thread(embedded.mongodb)
    try:
        yield url
    finally:
        await asyncio.to_thread(kept.stop)
