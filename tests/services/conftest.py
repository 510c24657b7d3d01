"""The whole chat in this process, on embedded defaults, shared by the tests of a module."""

import pytest
import pytest_asyncio

from nochat.lab.chat import RATES
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, registry
from nochat.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory, _quick_passwords) -> Settings:
    folder = str(tmp_path_factory.mktemp("data"))
    return Settings(
        bus_url=f"memory://{new_id()}",
        data_dir=folder,
        port=0,
        **dict.fromkeys(RATES, 0.0),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(settings):
    async with bootstrap.started(registry.services(), settings) as url:
        yield url


def a_name() -> str:
    return f"u{new_id()[:10]}"


@pytest_asyncio.fixture(loop_scope="module")
async def ana(url):
    async with Person(a_name(), url) as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def bob(url):
    async with Person(a_name(), url) as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def eve(url):
    async with Person(a_name(), url) as person:
        yield person
