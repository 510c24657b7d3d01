"""The users' database: SQLite, MariaDB or MySQL, with the chat's schema."""

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

# From 11.6.2 on, MariaDB refuses a write (error 1020) if another was committed since this
# transaction's read; older versions and MySQL apply it to the committed state, as ours expect.
WRITE_BY_WHAT_IS_COMMITTED = (
    "SET @nothing = 0 /*M!110602 , SESSION innodb_snapshot_isolation = OFF */"
)

# Files are named by their revisions, which are numbered in order: `0006_….py`.
MIGRATIONS = Path(__file__).with_name("migrations")
NEWEST = "head"


class Database:
    """A database with migrated tables; it may be used from several threads.

    Args:
        url: SQLAlchemy's URL: `sqlite:///…`, `mysql+pymysql://…`. It may set the seconds that an
            answer may take: `…?read_timeout=60`.

    Attributes:
        engine: SQLAlchemy's engine.

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
        """The name of the product."""
        dialect = self.engine.dialect
        if dialect.name == "sqlite":
            return "SQLite"
        return "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in a transaction, committed at the end of the block.

        Raises:
            IntegrityError: SQLAlchemy's error for a violated constraint.
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
    """Return pymysql's timeouts and isolation, except those that the URL sets."""
    if url.get_driver_name() != "pymysql":
        return {}
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ANSWER_SECONDS)
    options = {**limits, "init_command": WRITE_BY_WHAT_IS_COMMITTED}
    return {name: value for name, value in options.items() if name not in url.query}


def sqlite_file(url: str | URL) -> Path | None:
    """Return the file of an SQLite URL; None for other databases, and for memory.

    Raises:
        ArgumentError: the URL is invalid.
    """
    parsed = make_url(url)
    in_memory = parsed.database in (None, "", ":memory:")
    if parsed.get_backend_name() != "sqlite" or in_memory or parsed.query.get("uri"):
        return None
    return Path(str(parsed.database))


def with_files_beside(file: Path) -> list[Path]:
    """Return SQLite's file with those that SQLite may create beside it."""
    return [file.with_name(file.name + end) for end in ("", "-wal", "-shm", "-journal")]


def _make_private(parsed: URL) -> None:
    """Make SQLite's file private, new or old; files that SQLite creates beside it inherit that."""
    if not (file := sqlite_file(parsed)):
        return
    with suppress(OSError):  # SQLite's own error is clearer
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    make_private(with_files_beside(file))


def _enforce_foreign_keys(connection: object, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]
    connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]


def migrate(connection: Connection, revision: str = NEWEST) -> None:
    """Migrate the tables to a revision of the schema.

    Raises:
        NochatError: the tables are those of a newer version.
    """
    if revision == NEWEST and _revisions(connection) == [newest_revision()]:
        return
    # Imported here, not above: it takes as long as all other imports of this module, and only the
    # first start of a version needs it.
    import alembic.command
    import alembic.config
    from alembic.util import CommandError

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, revision)
    except CommandError as error:  # the revision is unknown
        address = connection.engine.url.render_as_string(hide_password=True)
        raise NochatError(
            f"the users' database at {address} was made by a newer version of NoChat ({error}); "
            "install that version again, or restore a backup from before the upgrade"
        ) from None


def newest_revision() -> str:
    """Return the newest revision of the schema, by the names of the migrations."""
    return max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("*.py"))


def _revisions(connection: Connection) -> list[str]:
    """Return the tables' revision, as recorded by alembic; none without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return []
    noted = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return [*noted.scalars()]
