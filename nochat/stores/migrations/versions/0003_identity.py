"""Names are compared exactly as the chat folds them.

MariaDB compared them by its own rules, where `josé` is `jose`. What two accounts' names mean may
be the same by now (`ＢＯＴ` and `bot`): the one whose name is written plainly keeps it, or the older
one. The other is banned and can't be found any more, but is there; the log names both.
"""

import logging
from typing import Any

import sqlalchemy as sa
from alembic import op

from nochat.stores.users_schema import NOBODY, exact
from nochat.domain.text import identity

revision = "0003"
down_revision = "0002"

log = logging.getLogger("nochat.stores.migrations")

users = sa.table("users", *map(sa.column, ("id", "name", "folded", "created", "banned")))
sessions = sa.table("sessions", sa.column("user_id"))


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":  # which compares bytes, and knows no lengths
        for column, length in (("name", 32), ("folded", 128)):
            op.alter_column("users", column, type_=exact(length), nullable=False)
    owners: dict[str, Any] = {}
    plainly_first = sorted(
        op.get_bind().execute(sa.select(users)).all(),
        key=lambda row: (row.folded != identity(row.name), row.created, row.id),
    )
    for row in plainly_first:
        meant = identity(row.name)
        if owner := owners.get(meant):
            _set_aside(row, owner)
        else:
            owners[meant] = row
    for meant, row in owners.items():
        if row.folded != meant:
            _update(row, folded=meant)


def downgrade() -> None:
    """Leave the columns: older versions work with them as well."""


def _set_aside(row: Any, owner: Any) -> None:
    op.get_bind().execute(sa.delete(sessions).where(sessions.c.user_id == row.id))
    _update(row, folded=f"{NOBODY}{row.id}", banned=True)
    log.error(
        "the names %r and %r of two accounts mean the same: the first keeps its name, the second "
        "is banned and can't be found. To let it in under a name that is free: UPDATE users SET "
        "name = 'Other', folded = 'other', banned = 0 WHERE id = %d",
        owner.name,
        row.name,
        row.id,
    )


def _update(row: Any, **values: Any) -> None:
    op.get_bind().execute(sa.update(users).where(users.c.id == row.id).values(values))
