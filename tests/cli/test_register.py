"""`nochat register`: accounts that are made on the command line."""

import io
import logging
from contextlib import closing

import pytest

from nochat.cli import main
from nochat.stores.users import UserStore

pytestmark = pytest.mark.usefixtures("_quick_passwords")


@pytest.fixture
def register(monkeypatch, capsys, tmp_path):
    """Runs the command with a line to its input: (exit status, standard output, error)."""

    def run(name: str, typed: str, **settings: str) -> tuple[int, str, str]:
        for setting, value in ({"data_dir": str(tmp_path)} | settings).items():
            monkeypatch.setenv(f"NOCHAT_{setting.upper()}", value)
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(["register", name])
        logging.getLogger().handlers.clear()
        return status, *capsys.readouterr()

    return run


def test_somebody_has_an_account_and_can_log_in(register, tmp_path):
    said = register("Ana", "a good password\n", registration="closed")
    assert said == (0, "Ana can log in now\n", "")
    with closing(UserStore(f"sqlite:///{tmp_path / 'users.db'}")) as store:
        session = store.open_session("ana", "a good password")
        assert session.user == "Ana"
        assert len(store.sessions(session.token)) == 1


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [
        ("ana", "another password", "this name is taken"),
        ("bob", "short", "a password has 8 to 256 characters"),
        ("bob", "", "a password has 8 to 256 characters"),
        (".bob", "a good password", "a name begins with a letter or digit"),
    ],
)
def test_refused_registrations_are_explained(register, name, password, why):
    register("Ana", "a good password\n")
    status, _, said = register(name, password)
    assert status == 2
    assert why in said
