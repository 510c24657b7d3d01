"""The accounts in SQLite: backed up while the chat runs, and restored where there are none."""

import logging
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from nochat.cli import main
from nochat.lab.people import Person
from nochat.stores.users import UserStore
from tests.conftest import ROOT
from tests.test_own_services import CLEAN, running

PASSWORD = "a good password"


@pytest.fixture
def nochat(monkeypatch, capsys, tmp_path):
    """Runs a command: (exit status, standard output, error)."""

    def run(*arguments: object, **settings: str) -> tuple[int, str, str]:
        for name, value in ({"data_dir": str(tmp_path), "port": "0"} | settings).items():
            monkeypatch.setenv(f"NOCHAT_{name.upper()}", value)
        status = main([*map(str, arguments)])
        logging.getLogger().handlers.clear()
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def database(tmp_path):
    return tmp_path / "users.db"


@pytest.fixture
def store(database, _quick_passwords):
    """The accounts of a chat that runs: "Ana" is in SQLite's log alone as yet."""
    with closing(UserStore(f"sqlite:///{database}")) as store:
        store.create("Ana", PASSWORD)
        yield store


def move_away(database):
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()


def names(file):
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM users")]


def test_a_backup_of_a_running_chat_is_whole_and_private(nochat, store, database, tmp_path):
    plain_copy = tmp_path / "copied.db"
    plain_copy.write_bytes(database.read_bytes())
    with pytest.raises(sqlite3.OperationalError):
        names(plain_copy)
    file = tmp_path / "accounts.db"
    assert nochat("backup", file) == (0, f"accounts copied to {file}: 1\n", "")
    assert names(file) == ["Ana"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("accounts*")] == ["accounts.db"]


def test_restored_accounts_log_in_again_and_their_old_sessions_are_over(
    nochat, store, database, tmp_path
):
    session, file = store.open_session("Ana", PASSWORD), tmp_path / "accounts.db"
    nochat("backup", file)
    store.close()
    move_away(database)
    assert nochat("restore", "--accounts", file) == (0, "accounts restored: 1\n", "")
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    with closing(UserStore(f"sqlite:///{database}")) as restored:
        assert not restored.session(session.token).user
        assert restored.open_session("ana", PASSWORD).user == "Ana"


def test_accounts_that_are_there_are_left_alone(nochat, store, database, tmp_path):
    file = tmp_path / "accounts.db"
    nochat("backup", file)
    store.create("Bob", PASSWORD)
    status, _, said = nochat("restore", "--accounts", file)
    assert status == 2
    assert f"there are accounts already ({database}" in said
    assert names(database) == ["Ana", "Bob"]


def test_a_log_that_was_left_behind_is_not_mixed_with_the_backup(nochat, store, database, tmp_path):
    file = tmp_path / "accounts.db"
    nochat("backup", file)
    database.unlink()
    status, _, said = nochat("restore", "--accounts", file)
    assert status == 2
    assert f"there are accounts already ({database}-wal" in said


def test_a_file_that_is_there_is_not_written_over(nochat, store, tmp_path):
    file = tmp_path / "accounts.db"
    file.write_text("something else")
    status, _, said = nochat("backup", file)
    assert (status, file.read_text()) == (2, "something else")
    assert said == f"nochat: {file} can't be written: File exists\n"


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_file_that_is_no_backup_is_refused(nochat, database, tmp_path, content):
    file = tmp_path / "accounts.db"
    file.write_bytes(content)
    status, _, said = nochat("restore", "--accounts", file)
    assert status == 2
    assert f"{file} is not a database of accounts" in said
    assert not database.exists()


def test_where_there_are_no_accounts_none_are_made(nochat, database, tmp_path):
    status, _, said = nochat("backup", tmp_path / "accounts.db")
    assert status == 2
    assert f"there is no users' database at {database}" in said
    assert list(tmp_path.iterdir()) == []


def test_a_server_has_tools_of_its_own(nochat, tmp_path):
    url = "mysql+pymysql://nochat:secret@127.0.0.1/users"
    status, _, said = nochat("backup", tmp_path / "accounts.db", users_url=url)
    assert status == 2
    assert "mysqldump --single-transaction" in said


def make_newer(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def test_a_newer_database_is_said_in_a_sentence(nochat, store, database):
    store.close()
    make_newer(database)
    status, _, said = nochat("up")
    assert status == 2
    assert f"sqlite:///{database} was made by a newer version of NoChat" in said
    assert "'9999'" in said
    assert "Traceback" not in said


def test_a_newer_backup_is_not_restored(nochat, store, database, tmp_path):
    file = tmp_path / "accounts.db"
    nochat("backup", file)
    store.close()
    move_away(database)
    make_newer(file)
    status, _, said = nochat("restore", "--accounts", file)
    assert status == 2
    assert "was made by a newer version of NoChat" in said
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.db"]


def commands_of_the_page(heading):
    page = (ROOT / "docs" / "upgrades.md").read_text()
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).splitlines()
    return [line.partition("  #")[0].split()[1:] for line in lines if line.startswith("nochat ")]


def ran(folder, arguments, **settings):
    env = CLEAN | {f"NOCHAT_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "nochat", *arguments]
    subprocess.run(command, cwd=folder, env=env, check=True, timeout=50)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_chat_is_brought_back_as_the_page_says(tmp_path):
    [backup] = commands_of_the_page("Back up")
    data, replica = str(tmp_path / "data"), (tmp_path / "old" / "replica").as_uri()
    with running(tmp_path, "up") as (line, _):
        async with Person("ana", line.split(": ")[1], password=PASSWORD) as ana:
            await ana.says("keep this")
            await ana.until(lambda: "keep this" in ana.texts())
            ran(tmp_path, backup, data_dir=data)
    (tmp_path / "data").rename(tmp_path / "old")
    for restore in commands_of_the_page("Restore"):
        ran(tmp_path, restore, data_dir=data, replica_url=replica)
    with running(tmp_path, "up") as (line, _):
        async with Person("ana", line.split(": ")[1], password=PASSWORD) as ana:
            history = await ana.call("history", {"room": "lobby"})
    assert "keep this" in [entry.get("text") for entry in history["entries"]]
