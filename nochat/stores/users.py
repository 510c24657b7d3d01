"""Accounts and sessions, through SQLAlchemy; the schema is alembic's.

Passwords are kept as argon2id hashes (argon2-cffi's defaults: RFC 9106's low-memory profile),
session tokens as SHA-256: who reads the database can use neither.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import alembic.command
import alembic.config
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import (
    Column,
    Connection,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from nochat.errors import NochatError, RequestFailed, Unavailable

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False),
    Column("folded", String(64), nullable=False, unique=True),  # Ana, ANA and ana are one name
    Column("password", String(255), nullable=False),
    Column("created", Double, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires", Double, nullable=False, index=True),
)


class UserStore:
    """Accounts and sessions; its methods block, and may be called from several threads.

    Args:
        url: SQLAlchemy's URL of the database: `sqlite:///…`, `mysql+pymysql://…`.
        session_hours: hours until a session ends.

    Raises:
        NochatError: the URL can't be used.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str, session_hours: float = 24.0) -> None:
        try:
            self._place = make_url(url).render_as_string(hide_password=True)
            self._engine = create_engine(url, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError) as error:
            raise NochatError(
                "NOCHAT_USERS_URL can't be used; write sqlite:///file or "
                f"mysql+pymysql://user:password@host/database ({error})"
            ) from None
        self._seconds = session_hours * 3600
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex())
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _enforce_foreign_keys)
        with self._transaction() as connection:
            _migrate(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def create(self, name: str, password: str) -> None:
        """Store an account.

        Raises:
            RequestFailed: the name is taken.
        """
        row = {"name": name, "folded": name.casefold(), "created": time.time()}
        row["password"] = self._hasher.hash(password)
        try:
            with self._transaction() as connection:
                connection.execute(insert(users).values(row))
        except IntegrityError:
            raise RequestFailed(f"the name {name!r} is taken; choose another") from None

    def open_session(self, name: str, password: str) -> tuple[str, str]:
        """Check a password; returns (name, token), both empty if it is wrong.

        Takes as long for a name that nobody has as for a wrong password.
        """
        with self._transaction() as connection:
            query = select(users).where(users.c.folded == name.casefold())
            row = connection.execute(query).one_or_none()
        if not self._matches(row.password if row else self._nobody, password) or not row:
            return "", ""
        token, now = secrets.token_urlsafe(32), time.time()
        with self._transaction() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires < now))
            session = {"token": _digest(token), "user_id": row.id, "expires": now + self._seconds}
            connection.execute(insert(sessions).values(session))
        return row.name, token

    def user_of(self, token: str) -> str:
        """The name of a session's user; empty if there is no such session, or no longer."""
        query = (
            select(users.c.name)
            .join(sessions)
            .where(sessions.c.token == _digest(token), sessions.c.expires > time.time())
        )
        with self._transaction() as connection:
            return connection.execute(query).scalar() or ""

    def close_session(self, token: str) -> str:
        """End a session; returns its user's name, empty if there was none."""
        name = self.user_of(token)
        with self._transaction() as connection:
            connection.execute(delete(sessions).where(sessions.c.token == _digest(token)))
        return name

    def _matches(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise Unavailable(
                f"the users' database at {self._place} does not answer ({error.orig}); "
                "is it running, and is NOCHAT_USERS_URL right?"
            ) from None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _enforce_foreign_keys(connection: object, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]
    connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]


def _migrate(connection: Connection) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(files("nochat") / "migrations"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
