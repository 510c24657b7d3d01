"""What tests of several folders share: the real servers, started once a session."""

import gc
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pymongo
import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from nochat.lab import servers, surroundings
from nochat.local.doctor import Missing
from nochat.runtime import registry
from tests import databases, queues
from tests.cgroups import mount_controllers

ROOT = Path(__file__).parent.parent
CHROMIUM = ROOT / "tests" / "bin" / "chromium"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
WORKER = "PYTEST_XDIST_WORKER"
REQUIRE_ALL = os.environ.get("NOCHAT_REQUIRE_ALL") == "1"  # as in CI: nothing may be missing
BASE = "nochat/debian"  # made by `make box` from Debian's packages

# For formats that no test looks at, jsonschema would compile forty grammars: seconds a worker.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# How long an example takes says more of the machine than of the code; each test has its limit.
settings.register_profile("nochat", deadline=None)
settings.register_profile("all day", deadline=None, max_examples=25)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples a property is tried on: a quarter of them in `make check`."""
    settings.load_profile("all day" if _is_check(config) else "nochat")


def _is_check(config: pytest.Config) -> bool:
    """Return whether these are the tests of `make check`."""
    return config.option.markexpr == "not slow"


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from looking at all modules again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Skip a test whose server is not installed here, unless nothing may be missing."""
    with _skipped_where_missing():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Skip a test that finds out itself that a program is not installed here."""
    with _skipped_where_missing():
        return (yield)


SLOW = re.compile(r"^pytestmark = .*?\bpytest\.mark\.slow\b", re.M | re.S)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass by files of slow tests alone in `make check`: to import them takes half of its start."""
    if not _is_check(config) or collection_path.suffix != ".py":
        return None
    marks = SLOW.search(collection_path.read_text())
    return True if marks and "\n\n" not in marks[0] else None


@contextmanager
def _skipped_where_missing() -> Iterator[None]:
    try:
        yield
    except Missing as missing:
        if REQUIRE_ALL:
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session", autouse=True)
def _private_servers() -> Iterator[None]:
    """Tests kill servers and leave data behind: never in those that the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("NOCHAT_BUS_URL", "NOCHAT_USERS_URL", "NOCHAT_ACTIVITY_URL"):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """The command `nochat` makes the files of its process private: not those of the next tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


class _Lost(logging.Handler):
    """Notes what asyncio says of errors that nobody asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        if "never retrieved" in record.getMessage():
            self.said.append(record.getMessage())


@pytest.fixture(autouse=True)
def _no_error_is_lost() -> Iterator[None]:
    """No task may fail without anybody who hears of it."""
    lost = _Lost()
    logging.getLogger("asyncio").addHandler(lost)
    yield
    logging.getLogger("asyncio").removeHandler(lost)
    assert lost.said == []


@pytest.fixture(scope="session", autouse=True)
def _calm_browser() -> Iterator[None]:
    """Whoever starts Chromium by its name gets the one that no other test disturbs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(CHROMIUM.parent), prepend=os.pathsep)
        yield


@pytest.fixture
def own_module(monkeypatch):
    """Imports a user's file; at the end it is as if nobody had."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield registry.own_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture(scope="session")
def _rabbitmq() -> Iterator[servers.Server]:
    with servers.rabbitmq() as server:
        yield server


@pytest.fixture(scope="module")
def rabbitmq_server(_rabbitmq) -> servers.Server:
    """The shared RabbitMQ, where nothing that tests of other files left takes a message."""
    queues.forget(_rabbitmq.url)
    return _rabbitmq


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


@pytest.fixture(scope="session")
def mongodb_url(request) -> Iterator[Callable[[], str]]:
    """Makes URLs of databases that nobody else has, for the tests of what stores in MongoDB.

    They are on the server that `NOCHAT_TEST_MONGODB_URL` names, and dropped there at the end; on
    the one that is here where it names none.
    """
    server = os.getenv("NOCHAT_TEST_MONGODB_URL")
    given = []

    def new() -> str:
        given.append(f"nochat-test-{uuid.uuid4().hex[:12]}")
        return databases.at(server or request.getfixturevalue("mongodb_server").url, given[-1])

    yield new
    if server and given:
        with pymongo.MongoClient(server) as client:
            for name in given:
                client.drop_database(name)


@pytest.fixture(scope="module")
def broker() -> Iterator[servers.Server]:
    """A RabbitMQ that the tests of a file may kill: without what others left in the shared one."""
    with servers.rabbitmq(quiet=True) as server:
        yield server


@pytest.fixture(scope="module")
def database() -> Iterator[servers.Server]:
    """A MariaDB that the tests of a file may kill."""
    with servers.mariadb(quiet=True) as server:
        yield server


@pytest.fixture(scope="module")
def _quick_passwords():
    """Hashes that are made to cost time cost less: for chats in this process, not about hashes."""
    with pytest.MonkeyPatch.context() as patch:
        quick = partial(PasswordHasher, time_cost=1, memory_cost=1024)
        patch.setattr("nochat.stores.users.PasswordHasher", quick)
        yield


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[servers.Server]:
    """The engine of this machine, or a private one.

    It looks only once, when it starts, for what limits processors.
    """
    if os.geteuid() == 0:
        mount_controllers()
    with servers.docker() as server:
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[pytest.MonkeyPatch]:
    """Vagrant's notes, boxes and keys, and the playbooks' secrets, in folders that go away."""
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAGRANT_HOME", str(folder / "home"))
        patch.setenv("VAGRANT_DOTFILE_PATH", str(folder / "made"))
        patch.setenv("NOCHAT_SECRETS", str(folder / "secrets.yml"))
        patch.setenv("NOCHAT_VAULT_PASSWORD", "of the tests")
        patch.setenv("NOCHAT_MACHINE_BASE", BASE)
        patch.setenv("NOCHAT_MACHINE_BOX", BASE)
        # Side by side, each has packages of its own: apt locks their folder.
        patch.setenv("NOCHAT_MACHINE_CACHE", f"build/cache/{os.getenv(WORKER, 'apt')}")
        # And ports: a machine that is switched off keeps those that it had, and its engine alone
        # knows of them.
        number = int(os.getenv(WORKER, "gw0").removeprefix("gw"))
        patch.setenv("NOCHAT_MACHINE_PORTS", str(30_000 + 100 * number))
        patch.chdir(ROOT)
        yield patch


def box(kind: str) -> None:
    subprocess.run([ROOT / "tools" / "box", kind], check=True)


@pytest.fixture(scope="module")
def images_of_debian(docker_engine) -> Iterator[pytest.MonkeyPatch]:
    """Set what makes the chat's images where no public ones can be had: of Debian's packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("BASE_IMAGE", "nochat/python")
        patch.setenv("COMPOSE_FILE", "docker/compose.yaml:docker/compose.offline.yaml")
        if AUTHORITIES.exists():  # with one of its own, where this computer trusts one
            patch.setenv("BUILD_CA", str(AUTHORITIES))
        yield patch


@pytest.fixture(scope="module")
def mitogen(place) -> None:
    """Ansible's tasks at a fifth of the processor time; notebook 04 runs them as students do."""
    place.setenv("NOCHAT_MITOGEN", "1")
    for name, value in surroundings.mitogen().items():
        place.setenv(name, value)


@pytest.fixture(scope="module")
def image(docker_engine, place) -> None:
    """The image that Docker's machines are built on."""
    box("docker")
