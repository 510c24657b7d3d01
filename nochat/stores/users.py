"""Accounts and sessions, in the users' database.

Passwords are stored as argon2id hashes (argon2-cffi's defaults: RFC 9106's low-memory profile),
session tokens as SHA-256: a reader of the database can use neither.
"""

import hashlib
import logging
import secrets
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from nochat.domain import text
from nochat.errors import RequestFailed, Unavailable
from nochat.protocol import reasons
from nochat.protocol.fields import Role
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import Account, Removal, Session, SessionInfo
from nochat.stores.users_database import Database
from nochat.stores.users_schema import NOBODY, deletions, sessions, tokens, users

log = logging.getLogger(__name__)


NOTED_EVERY = 300.0  # seconds between two writes for a session in use, at least


def _live(
    now: float | BindParameter[float], unused: float | BindParameter[float]
) -> ColumnElement[bool]:
    """Return a condition for sessions that have not expired, and were used after a time."""
    return and_(sessions.c.expires > now, sessions.c.used > unused)


# Queried for each socket and each call, and built once: building it takes longer than running it.
WHOSE = (
    select(users.c.name, users.c.role, sessions)
    .join(sessions)
    .where(
        sessions.c.token == bindparam("digest"),
        _live(bindparam("now"), bindparam("unused")),
        ~users.c.banned,
    )
)


class Deletion(NamedTuple):
    """A deleted account: its name, the name that replaces it, and the time."""

    id: int
    name: str
    deleted_as: str
    at: float


class UserStore:
    """Accounts and sessions; its methods block, and may be called from several threads.

    Args:
        url: the database's URL: see `Database`.
        session_hours: hours until a session expires.
        idle_hours: hours until an unused session expires; 0 for no such limit.

    Attributes:
        database: the database.

    Raises:
        NochatError: the URL can't be used.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str, session_hours: float = 24.0, idle_hours: float = 0.0) -> None:
        self.database = Database(url)
        self._transaction = self.database.transaction
        self._seconds = session_hours * 3600
        self._idle_seconds = (idle_hours or session_hours) * 3600
        self._noted_every = min(NOTED_EVERY, self._idle_seconds / 10)
        self._hasher = PasswordHasher()
        self._nobody = _nobodys_hash(self._hasher)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    # ---- accounts -------------------------------------------------------------------------------

    def create(self, name: str, password: str, browser: str = "") -> Session:
        """Create an account and open its first session, in a browser of that name.

        Raises:
            RequestFailed: the name is taken or not allowed.
        """
        try:
            name = text.name(name)
        except text.TextRefused as refused:
            raise RequestFailed(refused.reason) from None
        if self.find(name):  # without the cost of a hash
            raise RequestFailed(reasons.name_taken())
        row = {"name": name, "folded": text.identity(name), "created": time.time()}
        row["password"] = self._hasher.hash(password)
        self._forget_old_sessions()
        try:
            with self._transaction() as connection:
                connection.execute(insert(users).values(row))
                # After the insert, which waits for a concurrent deletion.
                self._check_not_deleted(connection, name)
                created = self._row(connection, name)
                session = self._new_session(connection, created, browser) if created else None
        except IntegrityError:
            raise RequestFailed(reasons.name_taken()) from None
        assert session
        return session

    @staticmethod
    def _check_not_deleted(connection: Connection, name: str) -> None:
        was = select(deletions.c.id).where(deletions.c.identity == _digest(text.identity(name)))
        if connection.execute(was).first():
            raise RequestFailed(reasons.name_taken())

    def find(self, name: str) -> Account | None:
        """Return the account of a name, in any spelling."""
        with self._transaction() as connection:
            row = self._row(connection, name)
        return _account(row) if row else None

    def accounts(self, prefix: str, after: str, limit: int) -> tuple[list[Account], bool]:
        """Return accounts by a prefix of their names, after a name, and whether there are more."""
        folded = users.c.folded
        query = select(users).where(folded > text.identity(after)).order_by(folded)
        query = query.where(~folded.startswith(NOBODY)).limit(limit + 1)
        if prefix:
            query = query.where(folded.startswith(text.identity(prefix), autoescape=True))
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [_account(row) for row in rows[:limit]], len(rows) > limit

    def change(
        self, name: str, role: Role | None = None, banned: bool | None = None
    ) -> tuple[Account, list[str]]:
        """Store a role or a ban; return the account, and the sessions that a ban has ended.

        Raises:
            RequestFailed: there is no such account.
        """
        given = {"role": role, "banned": banned}
        values = {column: value for column, value in given.items() if value is not None}
        with self._transaction() as connection:
            row = self._row(connection, name)
            if not row:
                raise RequestFailed(reasons.user_unknown())
            if values:
                connection.execute(update(users).where(users.c.id == row.id).values(values))
            row = self._row(connection, name)
            assert row
            ended = self._end_sessions(connection, row.id) if row.banned else []
            if row.banned:
                self._end_tokens(connection, row.id)
        return _account(row), ended

    def set_password(self, token: str, password: str, new_password: str) -> tuple[str, list[str]]:
        """Store a new password for a session's user; return the name, and the ended sessions.

        The user's tokens end as well.

        Raises:
            RequestFailed: the session has ended, or the password is wrong.
        """
        session, row = self._proven(token, password)
        digest = self._hasher.hash(new_password)
        with self._transaction() as connection:
            # Hashing is slow: another call may have changed the password, or ended the session.
            there = exists().where(sessions.c.token == session.digest)
            mine = update(users).where(_verified(row), there)
            if not connection.execute(mine.values(password=digest)).rowcount:
                raise RequestFailed(reasons.password_wrong())
            others = sessions.c.token != session.digest
            ended = self._end_sessions(connection, row.id, others)
            self._end_tokens(connection, row.id)
        return session.user, ended

    def _proven(self, token: str, password: str) -> tuple[Session, Row[Any]]:
        """Authenticate a session and its user's password; return the session and the account's row.

        Raises:
            RequestFailed: the session has ended, or the password is wrong.
        """
        session = self.session(token)
        with self._transaction() as connection:
            row = self._row(connection, session.user) if session.user else None
        if not self._matches(row.password if row else self._nobody, password) or not row:
            raise RequestFailed(reasons.password_wrong())
        return session, row

    # ---- deletion -------------------------------------------------------------------------------

    def remove(self, token: str, password: str) -> Removal:
        """Delete the account of a session's user, and record that its name must be erased.

        Raises:
            RequestFailed: the session has ended, the password is wrong, or the user is the only
                manager.
        """
        session, row = self._proven(token, password)
        deleted_as = text.DELETED + secrets.token_hex(8)
        note = {"identity": _digest(row.folded), "name": row.name, "deleted_as": deleted_as}
        note |= {"at": time.time()}
        mine = (users.c.id == row.id) & (users.c.password == row.password)
        try:
            with self._transaction() as connection:
                connection.execute(insert(deletions).values(note))
                ended = self._end_sessions(connection, row.id)
                if not connection.execute(delete(users).where(mine)).rowcount:
                    raise RequestFailed(reasons.password_wrong())  # it was changed meanwhile
                if row.role == "manager":
                    self._check_managed(connection)
        except IntegrityError:  # it was deleted meanwhile
            raise RequestFailed(reasons.password_wrong()) from None
        return Removal(user=session.user, deleted_as=deleted_as, ended=ended)

    @staticmethod
    def _check_managed(connection: Connection) -> None:
        # Locked, so that of two managers who delete their accounts concurrently, one stays.
        others = select(users.c.id).where(users.c.role == "manager", ~users.c.banned)
        if not connection.execute(others.with_for_update()).first():
            raise RequestFailed(reasons.account_last_manager())

    def unfinished(self) -> list[Deletion]:
        """List the deletions whose names may still be stored somewhere."""
        query = select(deletions).where(deletions.c.name.is_not(None))
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [Deletion(row.id, row.name, row.deleted_as, row.at) for row in rows]

    def finish(self, deletion: Deletion) -> None:
        """Remove the name of a finished deletion."""
        done = update(deletions).where(deletions.c.id == deletion.id).values(name=None)
        with self._transaction() as connection:
            connection.execute(done)

    # ---- sessions -------------------------------------------------------------------------------

    def open_session(self, name: str, password: str, browser: str = "") -> Session:
        """Check a password and open a session; return one without a user if that fails.

        An unknown name takes as long as a wrong password.
        """
        with self._transaction() as connection:
            row = self._row(connection, name)
        if not self._matches(row.password if row else self._nobody, password) or not row:
            return _refused(reasons.log_in_wrong(), row)
        self._forget_old_sessions()
        with self._transaction() as connection:
            session = self._new_session(connection, row, browser)
            now = None if session else self._row(connection, row.name)
        if session:
            return session
        banned = now is not None and now.banned
        return _refused(reasons.account_banned() if banned else reasons.log_in_wrong(), row)

    def _forget_old_sessions(self) -> None:
        # In a separate transaction: MariaDB locks gaps around deleted rows, and two transactions
        # that then insert there would deadlock.
        # One index at a time: without an index, it would lock every session.
        now = time.time()
        for over in (sessions.c.expires < now, sessions.c.used < now - self._idle_seconds):
            with self._transaction() as connection:
                connection.execute(delete(sessions).where(over))

    def _live(self) -> ColumnElement[bool]:
        """Return a condition for sessions that have not expired."""
        now = time.time()
        return _live(now, now - self._idle_seconds)

    def _new_session(self, connection: Connection, row: Row[Any], browser: str) -> Session | None:
        """Open a session, unless the account was banned or its password changed meanwhile."""
        token, now = secrets.token_urlsafe(32), time.time()
        digest, expires = _digest(token), now + self._seconds
        values = {"token": digest, "expires": expires, "used": now, "created": now}
        values |= {"public": secrets.token_hex(16), "browser": browser}
        new = select(users.c.id, *map(literal, values.values())).where(_verified(row))
        columns = ["user_id", *values]
        if not connection.execute(insert(sessions).from_select(columns, new)).rowcount:
            return None
        return Session(user=row.name, token=token, role=row.role, digest=digest, expires=expires)

    def session(self, token: str) -> Session:
        """Return the session of a token; one without a user, if it is over or never was."""
        now = time.time()
        given = {"digest": _digest(token), "now": now, "unused": now - self._idle_seconds}
        with self._transaction() as connection:
            row = connection.execute(WHOSE, given).one_or_none()
        if not row:
            return Session()
        if row.used < time.time() - self._noted_every:
            self._note_use([row.token])
        return Session(user=row.name, role=row.role, digest=row.token, expires=row.expires)

    def keep(self, digests: Sequence[str]) -> list[str]:
        """Mark sessions as in use; return those that have ended."""
        live = select(sessions.c.token, sessions.c.used).join(users)
        live = live.where(sessions.c.token.in_(digests), self._live(), ~users.c.banned)
        with self._transaction() as connection:
            last_use = {row.token: row.used for row in connection.execute(live)}
        noted_before = time.time() - self._noted_every
        if old := [digest for digest, used in last_use.items() if used < noted_before]:
            self._note_use(old)
        return [digest for digest in digests if digest not in last_use]

    def _note_use(self, digests: Sequence[str]) -> None:
        theirs = update(sessions).where(sessions.c.token.in_(digests))
        self._note(theirs.values(used=time.time()), "a session is in use")

    def _note(self, change: Update, what: str) -> None:
        try:
            with self._transaction() as connection:
                connection.execute(change)
        except Unavailable as error:  # a read-only database can still authenticate
            log.warning("it is not noted that %s: %s", what, error)

    def close_session(self, token: str) -> Session:
        """End a session; return its user, if there was one."""
        session = self.session(token)
        with self._transaction() as connection:
            connection.execute(delete(sessions).where(sessions.c.token == _digest(token)))
        return Session(user=session.user, ended=[session.digest] if session.user else [])

    def sessions(self, token: str) -> list[SessionInfo]:
        """List the sessions of a session's user, the newest first."""
        mine = select(sessions.c.user_id).where(sessions.c.token == _digest(token), self._live())
        query = select(sessions).where(sessions.c.user_id.in_(mine), self._live())
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(sessions.c.created.desc())).all()
        return [_session_info(row, _digest(token)) for row in rows]

    def close_sessions(self, token: str, public: str = "") -> Session:
        """End a user's session by its id, or all others without an id.

        Raises:
            RequestFailed: the user has no such session.
        """
        session = self.session(token)
        with self._transaction() as connection:
            row = self._row(connection, session.user) if session.user else None
            ended = []
            if row:
                others = sessions.c.token != session.digest
                which = sessions.c.public == public if public else others
                ended = self._end_sessions(connection, row.id, which)
        if public and not ended:
            raise RequestFailed(reasons.session_unknown())
        return Session(user=session.user, ended=ended)

    @staticmethod
    def _end_sessions(
        connection: Connection, user_id: int, *which: ColumnElement[bool]
    ) -> list[str]:
        """End a user's sessions that match all conditions; return their digests."""
        theirs = and_(sessions.c.user_id == user_id, *which)
        # For update: otherwise MariaDB reads the snapshot from the start of the transaction.
        query = select(sessions.c.token).where(theirs).with_for_update()
        ended = connection.execute(query).scalars().all()
        connection.execute(delete(sessions).where(theirs))
        return list(ended)

    @staticmethod
    def _end_tokens(connection: Connection, user_id: int) -> None:
        connection.execute(delete(tokens).where(tokens.c.user_id == user_id))

    @staticmethod
    def _row(connection: Connection, name: str) -> Row[Any] | None:
        query = select(users).where(users.c.folded == text.identity(name))
        return connection.execute(query).one_or_none()

    def _matches(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (VerifyMismatchError, InvalidHashError):
            return False


def _nobodys_hash(hasher: PasswordHasher) -> str:
    """Return a random hash without a known password; a check against it takes the usual time.

    Hashing a password for this would cost as much as a log-in, at each start.
    """
    lengths = hasher.salt_len, hasher.hash_len
    salt, digest = (b64encode(secrets.token_bytes(length)).decode() for length in lengths)
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt.rstrip('=')}${digest.rstrip('=')}"


def _refused(reason: Reason, row: Row[Any] | None) -> Session:
    """Return a refused session, which has no user."""
    return Session(account=row.name if row else "", **reason.fields)


def _verified(row: Row[Any]) -> ColumnElement[bool]:
    """Return a condition for a row's account, if its password is unchanged and it is not banned."""
    same = and_(users.c.id == row.id, users.c.password == row.password)
    return and_(same, ~users.c.banned)


def _account(row: Row[Any]) -> Account:
    return Account(name=row.name, role=row.role, banned=row.banned, created=row.created)


def _session_info(row: Row[Any], present: str) -> SessionInfo:
    return SessionInfo(
        session=row.public,
        browser=row.browser,
        created=row.created,
        expires=row.expires,
        current=row.token == present,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
