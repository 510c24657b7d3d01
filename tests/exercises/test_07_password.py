"""Exercise 07a on a small deployment: other right answers pass, and mistakes are named.

The database is a real MariaDB and the people talk in a real chat; both are on this computer, and a
change of the services is a restart of one process. tests/machines/test_final.py judges the
notebook's own solution, and a mistake, on its two machines.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from nochat.lab import exercise
from nochat.lab.exercise.catalogue import find
from nochat.local.processes import until
from nochat.stores import privileges
from tests.conftest import ROOT
from tests.exercises.small import Small
from tests.exercises.solutions import solved, stub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
ANSIBLE = {"ANSIBLE_CONFIG": str(ROOT / "playbooks" / "ansible.cfg")}
VAULT = Path(sys.executable).with_name("ansible-vault")
HOST = "nochat@'127.0.0.1'"


@pytest.fixture(scope="module")
def small(database, place, tmp_path_factory) -> Iterator[Small]:
    made = Small(tmp_path_factory.mktemp("small"), database)
    yield made
    made.chat.stop()


@pytest.fixture(autouse=True)
def _as_before(small):
    """Each answer finds the services and the database with one password, which both know."""
    yield
    if not small.database.child.alive:
        small.database.child.restart()
        assert until(small.opens, 60)
    if small.opens() and small.user == "nochat":
        return
    password = secrets.token_hex(8)
    small.sql("DROP USER IF EXISTS other@'127.0.0.1'")
    small.sql(f"CREATE OR REPLACE USER {HOST} IDENTIFIED BY '{password}'")
    small.sql(f"GRANT {privileges.MARIADB} ON nochat.* TO {HOST}")
    written = small.log.stat().st_size
    small.tell(password)
    small.chat.ready("nochat", written)


def keep(password, *, encrypted=True):
    """Write the file of the secrets anew."""
    path = Path(os.environ["NOCHAT_SECRETS"])
    path.write_text(f"mariadb_password: {password}\n")
    if encrypted:
        encrypt = [VAULT, "encrypt", path]
        subprocess.run(encrypt, check=True, env=os.environ | ANSIBLE, capture_output=True)


def database_knows(small, password):
    small.sql(f"ALTER USER {HOST} IDENTIFIED BY '{password}'")


def deployed(small):
    """The notebook's own answer; in place of the playbook, what it does with the secret."""
    keep(small.password)  # as the playbook has left it

    def deploy(*_, quiet):
        view = [VAULT, "view", os.environ["NOCHAT_SECRETS"]]
        kept = subprocess.run(view, check=True, env=os.environ | ANSIBLE, capture_output=True)
        password = kept.stdout.decode().split()[-1]
        database_knows(small, password)
        small.tell(password)

    at_hand = dict.fromkeys(["farm", "images", "registry"], None) | {"more": {}, "os": os}
    return solved("07a", **at_hand, deploy=SimpleNamespace(deploy=deploy))["rotate"]


def by_hand(small):
    """Return an answer that does what the playbooks do, without them, and in another order."""

    async def rotate(password):
        keep(password)
        database_knows(small, password)
        small.tell(password)

    return rotate


def with_another_account(small):
    """The account of before is gone, and so is its password."""

    def rotate(password):
        keep(password)
        add_account(small, password)
        small.sql(f"DROP USER {HOST}")
        small.tell(password, "other")

    return rotate


def add_account(small, password):
    small.sql(f"CREATE USER other@'127.0.0.1' IDENTIFIED BY '{password}'")
    small.sql(f"GRANT {privileges.MARIADB} ON nochat.* TO other@'127.0.0.1'")


def raises(small):
    return lambda password: small.nothing(password)


def removes_the_secret(small):
    return lambda _: small.url.unlink()


def stops_the_database(small):
    return lambda _: small.database.kill()


def restarts_alone(small):
    old = urlsplit(small.url.read_text()).password
    return lambda password: (keep(password), small.tell(old), small.ssh("", "sleep 1"))


def tells_services_alone(small):
    return lambda password: (keep(password), small.tell(password))


def tells_the_database_alone(small):
    return lambda password: (keep(password), database_knows(small, password))


def takes_its_own(small):
    own = secrets.token_hex(8)
    return lambda _: (keep(own), database_knows(small, own), small.tell(own))


def adds_an_account(small):
    return lambda password: (
        keep(password),
        add_account(small, password),
        small.tell(password, "other"),
    )


def tells_no_file(small):
    return lambda password: (
        keep("as it was"),
        database_knows(small, password),
        small.tell(password),
    )


def leaves_it_open(small):
    return lambda password: (
        keep(password, encrypted=False),
        database_knows(small, password),
        small.tell(password),
    )


def begins_anew(small):
    return lambda password: (
        keep(password),
        database_knows(small, password),
        small.tell(password),
        small.forget(),
    )


WRONG = {
    "untouched": lambda _: stub("07a")["rotate"],
    "failed": raises,
    "unreachable": removes_the_secret,
    "down": stops_the_database,
    "unchanged": restarts_alone,
    "other_machine": tells_services_alone,
    "one_machine": tells_the_database_alone,
    "another": takes_its_own,
    "second": adds_an_account,
    "forgotten": tells_no_file,
    "bare": leaves_it_open,
    "lost": begins_anew,
}


async def judged(rotate, small):
    return await exercise.check("07a", rotate, farm=small, site=small.site, patience=3)


@pytest.mark.parametrize("answer", [deployed, by_hand, with_another_account])
async def test_a_way_to_another_password_passes(answer, small, monkeypatch):
    monkeypatch.setenv("PATH", str(VAULT.parent), prepend=os.pathsep)  # as in a notebook
    verdict = await judged(answer(small), small)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_in_a_change_of_password_is_named(mistake, small):
    verdict = await judged(WRONG[mistake](small), small)
    assert verdict.mistake == mistake, verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG} == {*find("07a").mistakes}
