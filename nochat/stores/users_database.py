"""The users' database: SQLite, MariaDB or MySQL behind an address, at the chat's own schema."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from nochat.errors import NochatError
from nochat.local.disk import make_private
from nochat.stores import ANSWER_SECONDS, refusals

# From 11.6.2 on, MariaDB refuses a write (error 1020) where another was committed since this
# transaction has read; before, and for MySQL, it goes by what is committed. Ours count on that.
WRITE_BY_WHAT_IS_COMMITTED = (
    "SET @nothing = 0 /*M!110602 , SESSION innodb_snapshot_isolation = OFF */"
)

# Each file is named by its revision, and revisions by the order in which they came: `0006_….py`.
MIGRATIONS = Path(__file__).with_name("migrations")
NEWEST = "head"


class Database:
    """A database whose tables are there; it may be used from several threads.

    Args:
        url: SQLAlchemy's URL: `sqlite:///…`, `mysql+pymysql://…`. It may say how many seconds an
            answer may take: `…?read_timeout=60`.

    Attributes:
        engine: SQLAlchemy's.

    Raises:
        NochatError: the URL can't be used.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self._address = parsed.render_as_string(hide_password=True)
            self.engine = create_engine(
                parsed,
                pool_pre_ping=True,
                connect_args=_options(parsed),
                hide_parameters=True,  # names and digests are for no log
            )
        except (ArgumentError, NoSuchModuleError) as error:
            raise NochatError(
                "NOCHAT_USERS_URL can't be used; write sqlite:///file or "
                f"mysql+pymysql://user:password@host/database ({error})"
            ) from None
        if self.engine.dialect.name == "sqlite":
            _make_private(parsed)
            event.listen(self.engine, "connect", _enforce_foreign_keys)
        try:
            with self.transaction() as connection:
                migrate(connection)
        except BaseException:
            self.close()
            raise

    @property
    def product(self) -> str:
        """The database's own name for itself."""
        dialect = self.engine.dialect
        if dialect.name == "sqlite":
            return "SQLite"
        return "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection; what is done with it is done as a whole, or not at all.

        Raises:
            IntegrityError: of SQLAlchemy: a row must not be there, or must be.
            NochatError: the database refuses, or does not answer (`Unavailable`).
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, UnicodeEncodeError) as error:
            raise refusals.of(error, self._address) from None


def _options(url: URL) -> dict[str, Any]:
    """Return how long pymysql waits, and what a write goes by, if the URL does not say."""
    if url.get_driver_name() != "pymysql":
        return {}
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ANSWER_SECONDS)
    options = {**limits, "init_command": WRITE_BY_WHAT_IS_COMMITTED}
    return {name: value for name, value in options.items() if name not in url.query}


def sqlite_file(url: str | URL) -> Path | None:
    """Return the file that a URL names; None where it names no SQLite, or no file.

    Raises:
        ArgumentError: it is no URL.
    """
    parsed = make_url(url)
    in_memory = parsed.database in (None, "", ":memory:")
    if parsed.get_backend_name() != "sqlite" or in_memory or parsed.query.get("uri"):
        return None
    return Path(str(parsed.database))


def with_files_beside(file: Path) -> list[Path]:
    """Return SQLite's file with those that SQLite may put beside it."""
    return [file.with_name(file.name + end) for end in ("", "-wal", "-shm", "-journal")]


def _make_private(parsed: URL) -> None:
    """Let nobody else read SQLite's file, new or old; what SQLite puts beside it is as it is."""
    if not (file := sqlite_file(parsed)):
        return
    with suppress(OSError):  # SQLite says what is wrong
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    make_private(with_files_beside(file))


def _enforce_foreign_keys(connection: object, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]
    connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]


def migrate(connection: Connection, revision: str = NEWEST) -> None:
    """Bring the tables to a revision of the schema.

    Raises:
        NochatError: the tables are those of a newer version.
    """
    if revision == NEWEST and _revisions(connection) == [newest_revision()]:
        return
    # Here, not above: it takes as long to import as all else that this module needs, and only the
    # first start of a version has use for it.
    import alembic.command
    import alembic.config
    from alembic.util import CommandError

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, revision)
    except CommandError as error:  # it knows no such revision
        address = connection.engine.url.render_as_string(hide_password=True)
        raise NochatError(
            f"the users' database at {address} was made by a newer version of NoChat ({error}); "
            "install that version again, or restore a backup from before the upgrade"
        ) from None


def newest_revision() -> str:
    """Return the newest revision of the schema that there is a migration to."""
    return max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("*.py"))


def _revisions(connection: Connection) -> list[str]:
    """Read which revision the tables are at, where alembic notes it; none: there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return []
    noted = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return [*noted.scalars()]
