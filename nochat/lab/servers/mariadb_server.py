"""MariaDB."""

import os
from pathlib import Path

import sqlalchemy
from sqlalchemy import exc

from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.passwords import new_password
from nochat.lab.servers.server import Server, named, private
from nochat.local import doctor
from nochat.local.processes import free_port, start_child
from nochat.stores import privileges

NAME, VARIABLE, SCHEME = "MariaDB", "NOCHAT_USERS_URL", "mysql+pymysql"

# Run at each start, so that a crash during the first one does no harm. Only the user who started
# the server can log in as its root, over its socket.
ACCOUNT = """\
CREATE DATABASE IF NOT EXISTS nochat;
CREATE USER IF NOT EXISTS nochat@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT {grants} ON nochat.* TO nochat@'127.0.0.1';
"""

INSTALL_AND_RUN = Path(__file__).with_name("mariadb_server.sh")


def mariadb(*, quiet: bool = False) -> Server:
    """Start a private MariaDB, or use the one that `NOCHAT_USERS_URL` names.

    Args:
        quiet: print nothing.

    Raises:
        Missing: MariaDB is not installed.
        NotReady: it does not start.
        NotAnswering: the server of `NOCHAT_USERS_URL` can't be used.
    """
    return named(NAME, VARIABLE, (SCHEME,), look) or _start(quiet)


def _start(quiet: bool) -> Server:
    program = doctor.require("mariadbd")
    with progress(NAME, quiet):
        folder, password, port = own_folder("mariadb"), new_password(), free_port()
        (folder / "account.sql").write_text(
            ACCOUNT.format(password=password, grants=privileges.MARIADB), encoding="utf-8"
        )
        command = ["/bin/sh", str(INSTALL_AND_RUN), str(folder / "data"), str(program)]
        # No grace period: its data are removed as well.
        child = start_child(
            [*command, *_options(folder, port)],
            log=folder / "log",
            remove=folder,
            grace=0,
        )
        url = f"{SCHEME}://nochat:{password}@127.0.0.1:{port}/nochat"
        return private(NAME, url, child, look)


def _options(folder: Path, port: int) -> list[str]:
    return [
        "--no-defaults",
        # It needs this option to run as root; another user could not enter the folder.
        *(["--user=root"] if os.geteuid() == 0 else []),
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        f"--tmpdir={folder}",
        f"--init-file={folder / 'account.sql'}",
        "--skip-name-resolve",
        "--innodb-log-file-size=8M",
        "--innodb-buffer-pool-size=64M",
        "--character-set-server=utf8mb4",
    ]


REFUSED = {1044, 1045, 1049, 1698}  # access denied, to a database too; unknown database


def look(url: str) -> str:
    """Return the version of the server at a URL.

    Raises:
        NotAnswering: it can't be reached, or refuses the user, password or database.
    """
    try:
        engine = sqlalchemy.create_engine(
            url, poolclass=sqlalchemy.NullPool, connect_args={"connect_timeout": 5}
        )
        with engine.connect() as connection:
            return str(connection.scalar(sqlalchemy.text("SELECT VERSION()"))).partition("-")[0]
    except (exc.ArgumentError, ValueError) as error:
        raise NotAnswering("is not a URL that SQLAlchemy understands") from error
    except exc.DBAPIError as error:
        raise NotAnswering(_reason(error)) from error


def _reason(error: exc.DBAPIError) -> str:
    code, text = (*error.orig.args, "", "")[:2] if error.orig else ("", error)
    if code == 2003:
        return f"can't be reached ({text})"
    if code in REFUSED:
        return f"refuses the user, password or database ({text})"
    return f"refuses the connection ({text})"  # too many of them, say
