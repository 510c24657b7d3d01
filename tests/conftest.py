"""What tests of several folders share: the real servers, started once a session."""

from collections.abc import Iterator
from functools import partial

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from nochat.lab import servers

# How long an example takes says more of the machine than of the code; each test has its limit.
settings.register_profile("nochat", deadline=None)
settings.load_profile("nochat")


@pytest.fixture(scope="session", autouse=True)
def _private_servers() -> Iterator[None]:
    """Tests kill servers and leave data behind: never in those that the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("NOCHAT_BUS_URL", "NOCHAT_USERS_URL", "NOCHAT_ACTIVITY_URL"):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[servers.Server]:
    with servers.rabbitmq() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.Server]:
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_server() -> Iterator[servers.Server]:
    with servers.azurite() as server:
        yield server


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[servers.Server]:
    with servers.mongodb() as server:
        yield server


@pytest.fixture(scope="module")
def _quick_passwords():
    """Hashes that are made to cost time cost less: for chats in this process, not about hashes."""
    with pytest.MonkeyPatch.context() as patch:
        quick = partial(PasswordHasher, time_cost=1, memory_cost=1024)
        patch.setattr("nochat.stores.users.PasswordHasher", quick)
        yield
