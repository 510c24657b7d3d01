"""`nochat backup` and `nochat restore --accounts`: a consistent copy of the accounts in SQLite.

A copy by `cp` may lack changes in SQLite's write-ahead log, or contain half of a write.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nochat.errors import NochatError
from nochat.local.disk import sync_folder
from nochat.services.users import database
from nochat.settings import Settings
from nochat.stores.users import UserStore
from nochat.stores.users_database import sqlite_file, with_files_beside


def backup(settings: Settings, file: Path) -> int:
    """Copy the accounts to a new private file; the chat may run meanwhile.

    Returns:
        The number of accounts.

    Raises:
        NochatError: there are no accounts, they are not in SQLite, or the file can't be created.
    """
    source = _accounts_file(settings)
    if not source.is_file():
        raise NochatError(
            f"there is no users' database at {source}; set NOCHAT_DATA_DIR or NOCHAT_USERS_URL as "
            "the chat has it"
        )
    with _new_file(file) as unfinished:
        return _copy(source, unfinished)


def restore(settings: Settings, file: Path) -> int:
    """Restore the accounts from a backup, if there are none; all users have to log in again.

    Returns:
        The number of accounts.

    Raises:
        NochatError: there are accounts already, the file is not a backup of a known version, or
            the accounts can't be written.
    """
    target = _accounts_file(settings)
    if there := [path for path in with_files_beside(target) if path.exists()]:
        raise NochatError(
            f"there are accounts already ({', '.join(map(str, there))}); stop the chat, and move "
            "these files away"
        )
    if not file.is_file():
        raise NochatError(f"there is no file {file}")
    with _new_file(target) as unfinished:
        count = _copy(file, unfinished)
        with closing(sqlite3.connect(unfinished)) as copy, copy:
            # Sessions that have ended since the backup must not become valid again.
            copy.execute("DELETE FROM sessions")
        UserStore(f"sqlite:///{unfinished}").close()  # brings it up to date
        return count


def _accounts_file(settings: Settings) -> Path:
    if file := sqlite_file(database(settings)):
        return file.absolute()
    raise NochatError(
        "the accounts are not in a file of SQLite: back them up with the server's own tools, "
        "such as `mariadb-dump --single-transaction` or `mysqldump --single-transaction`"
    )


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Yield a private temporary file beside it, which gets its name if the block succeeds."""
    unfinished = file.with_name(f"{file.name}.unfinished-{os.getpid()}")
    try:
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            yield unfinished
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            os.link(unfinished, file)  # unlike a rename, this replaces nothing
            sync_folder(file.parent)
        finally:
            for path in with_files_beside(unfinished):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise NochatError(f"{file} can't be written: {error.strerror}") from None


def _copy(source: Path, target: Path) -> int:
    """Copy a database by SQLite's online backup; return the number of accounts in it."""
    uri = f"{source.absolute().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # all of it is in the one file
            if (said := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise NochatError(f"the accounts in {source} are damaged ({said})")
            return int(copy.execute("SELECT count(*) FROM users").fetchone()[0])
    except sqlite3.Error as error:
        raise NochatError(f"{source} is not a database of accounts ({error})") from None
