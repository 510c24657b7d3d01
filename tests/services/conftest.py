"""The whole chat in this process, on embedded defaults, shared by the tests of a module."""

import pytest
import pytest_asyncio

from nochat import bootstrap, registry
from nochat.events import new_id
from nochat.settings import Settings

NO_LIMITS = {"user_rate": 0, "address_rate": 0, "login_rate": 0}


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = str(tmp_path_factory.mktemp("data"))
    return Settings(bus_url=f"memory://{new_id()}", data_dir=folder, port=0, **NO_LIMITS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(settings):
    async with bootstrap.started(registry.services(), settings) as url:
        yield url
