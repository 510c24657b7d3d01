"""`nochat grant`: the first manager, from the command line."""

import logging
from contextlib import closing

import pytest

from nochat.cli import main
from nochat.local.processes import free_port
from nochat.stores.users import UserStore


@pytest.fixture
def promote(monkeypatch, capsys, tmp_path):
    """Runs the command: (exit status, standard output, error)."""

    def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        for name, value in ({"data_dir": str(tmp_path)} | settings).items():
            monkeypatch.setenv(f"NOCHAT_{name.upper()}", value)
        status = main(["grant", *arguments])
        logging.getLogger().handlers.clear()
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def role_of(tmp_path):
    """An account "Ana" in the embedded database; gives what asks for a role."""
    with closing(UserStore(f"sqlite:///{tmp_path / 'users.db'}")) as store:
        store.create("Ana", "a good password")
        yield lambda name: store.find(name).role


def test_an_account_becomes_a_manager_and_a_user_again(promote, role_of):
    assert promote("ana") == (0, "Ana is a manager now\n", "")
    assert role_of("ana") == "manager"
    assert promote("Ana", "--revoke") == (0, "Ana is a user now\n", "")
    assert role_of("ana") == "user"


def test_nobody_has_this_name(promote, role_of):
    status, _, said = promote("bob")
    assert status == 2
    assert "there is no user 'bob'; create the account on the chat's page first" in said


def test_there_is_no_database_yet_and_none_is_made(promote, tmp_path):
    status, _, said = promote("ana")
    assert status == 2
    assert f"there is no users' database at {tmp_path / 'users.db'}; start the chat" in said
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_can_not_be_used_is_named(promote):
    status, _, said = promote("ana", users_url="nonsense")
    assert status == 2
    assert "NOCHAT_USERS_URL can't be used" in said


def test_a_database_that_is_away_is_said_without_its_password(promote):
    url = f"mysql+pymysql://nochat:hunter2@127.0.0.1:{free_port()}/users"
    status, _, said = promote("ana", users_url=url)
    assert status == 2
    assert "does not answer" in said
    assert "hunter2" not in said


@pytest.mark.slow
def test_on_mariadb(promote, mariadb_server):
    with closing(UserStore(mariadb_server.url)) as store:
        store.create("granted", "a good password")
        assert promote("granted", users_url=mariadb_server.url)[0] == 0
        assert store.find("granted").role == "manager"
