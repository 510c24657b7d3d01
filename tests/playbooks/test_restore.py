"""The accounts of a backup come back whole, or not at all: in a real MariaDB."""

import gzip
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "playbooks" / "roles" / "mariadb" / "files" / "restore"
USERS = """
CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(32));
CREATE TABLE sessions (id INT, user INT, FOREIGN KEY (user) REFERENCES users (id));
INSERT INTO users VALUES (1, 'ana'), (2, 'bob');
"""


@pytest.fixture
def sql(database, tmp_path, monkeypatch) -> Callable[[str], list[str]]:
    """Asks the server as its own root does; so does the script, as on a machine."""
    socket = database.child.log.with_name("socket")
    program = tmp_path / "bin" / "mariadb"
    program.parent.mkdir()
    real = "/usr/bin/mariadb --no-defaults"
    program.write_text(f'#!/bin/sh\nexec {real} --socket={socket} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    def ask(text: str) -> list[str]:
        argv = ["mariadb", "--batch", "--skip-column-names", "--execute", text]
        ran = subprocess.run(argv, capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()

    ask("DROP DATABASE nochat; CREATE DATABASE nochat")
    return ask


def restore(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, "nochat", file], capture_output=True, text=True, check=False)


def dump(file: Path, text: str = USERS, cut: int | None = None) -> Path:
    file.write_bytes(gzip.compress(text.encode())[:cut])
    return file


def test_all_of_it_is_there_and_the_file_is_gone(sql, tmp_path):
    ran = restore(file := dump(tmp_path / "dump"))
    assert ran.returncode == 0, ran.stderr
    assert sql("SELECT name FROM nochat.users") == ["ana", "bob"]
    assert not file.exists()
    assert [name for name in sql("SHOW DATABASES") if "nochat" in name] == ["nochat"]
    with pytest.raises(subprocess.CalledProcessError):  # who belongs to whom is still looked at
        sql("INSERT INTO nochat.sessions VALUES (1, 3)")


@pytest.mark.parametrize(
    ("text", "cut", "reason"),
    [
        (USERS, -12, "unexpected end of file"),
        (USERS + "CREATE TABLE", None, "syntax"),
        ("SELECT 1;", None, "no table in the dump"),
    ],
)
def test_of_a_file_that_is_broken_nothing_is_there_and_a_whole_one_comes_after_it(
    sql, tmp_path, text, cut, reason
):
    ran = restore(dump(tmp_path / "dump", text, cut))
    assert ran.returncode != 0
    assert reason in ran.stderr
    assert sql("SHOW TABLES IN nochat") == []
    assert restore(dump(tmp_path / "dump")).returncode == 0
    assert sql("SELECT COUNT(*) FROM nochat.users") == ["2"]
