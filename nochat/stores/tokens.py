"""Tokens of users' own programs; like sessions' tokens, they are stored as SHA-256 alone.

A token expires after the days that its user chose, and ends with a new password, a ban or the
account.
"""

import secrets
import time
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update

from nochat.errors import RequestFailed
from nochat.protocol import reasons
from nochat.protocol.requests import Session, TokenInfo
from nochat.stores.users import UserStore, _digest, _verified
from nochat.stores.users_schema import tokens, users

PREFIX = "nochat_"  # lets people and secret scanners recognize a token
MOST = 20  # of one user
A_DAY = 86_400.0


class Tokens:
    """The tokens in the users' database; its methods block, like those of the store.

    Args:
        store: the users' database.
    """

    def __init__(self, store: UserStore) -> None:
        self._store = store

    def make(self, session: str, password: str, name: str, days: int) -> tuple[str, TokenInfo, str]:
        """Create a token for a session's user; return it, its entry in the list, and the user.

        Raises:
            RequestFailed: the session has ended, the password is wrong, or the user has reached the
                limit of tokens.
        """
        who, row = self._store._proven(session, password)
        token, now = PREFIX + secrets.token_urlsafe(32), time.time()
        values: dict[str, Any] = {"token": _digest(token), "public": secrets.token_hex(16)}
        values |= {"name": name, "created": now, "expires": now + days * A_DAY, "used": 0.0}
        with self._store._transaction() as connection:
            connection.execute(delete(tokens).where(tokens.c.expires < now))
            # Locked, so that two concurrent calls count each other's token.
            mine = select(users.c.id).where(_verified(row)).with_for_update()
            if not connection.execute(mine).first():  # banned, or another password, meanwhile
                raise RequestFailed(reasons.password_wrong())
            count = select(func.count()).where(tokens.c.user_id == row.id)
            if connection.execute(count).scalar_one() >= MOST:
                raise RequestFailed(reasons.token_too_many(MOST))
            connection.execute(insert(tokens).values(values | {"user_id": row.id}))
        return token, _info(values), who.user

    def all(self, session: str) -> list[TokenInfo]:
        """List the tokens of a session's user, the newest first."""
        who = self._store.session(session)
        query = select(tokens).join(users).where(users.c.name == who.user)
        query = query.where(tokens.c.expires > time.time()).order_by(tokens.c.created.desc())
        with self._store._transaction() as connection:
            rows = connection.execute(query).all() if who.user else []
        return [_info(row._asdict()) for row in rows]

    def revoke(self, session: str, public: str) -> tuple[str, str]:
        """Revoke a user's token by its id; return the user, and the token's name.

        Raises:
            RequestFailed: the user has no such token.
        """
        who = self._store.session(session)
        mine = select(users.c.id).where(users.c.name == who.user).scalar_subquery()
        which = and_(tokens.c.public == public, tokens.c.user_id == mine)
        with self._store._transaction() as connection:
            row = connection.execute(select(tokens.c.name).where(which)).first()
            if not row or not connection.execute(delete(tokens).where(which)).rowcount:
                raise RequestFailed(reasons.token_unknown())
        return who.user, row.name

    def whose(self, token: str) -> Session:
        """Return the session of a token; without a user if the token is unknown or has expired."""
        query = select(users.c.name, tokens).join(users)
        query = query.where(tokens.c.token == _digest(token), tokens.c.expires > time.time())
        with self._store._transaction() as connection:
            row = connection.execute(query.where(~users.c.banned)).one_or_none()
        if not row:
            return Session()
        self._note_use(row)
        return Session(user=row.name, expires=row.expires)

    def _note_use(self, row: Row[Any]) -> None:
        if row.used < time.time() - self._store._noted_every:
            used = update(tokens).where(tokens.c.token == row.token).values(used=time.time())
            self._store._note(used, "a token is in use")


def _info(row: dict[str, Any]) -> TokenInfo:
    return TokenInfo(
        token=row["public"],
        name=row["name"],
        created=row["created"],
        expires=row["expires"],
        used=row["used"],
    )
