"""Names, starts and browsers of sessions; and accounts that were deleted."""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

from nochat.stores.users_schema import exact

revision = "0005"
down_revision = "0004"

sessions = sa.table("sessions", sa.column("token"), sa.column("public"))


def upgrade() -> None:
    """Add what is missing: MariaDB keeps what was changed before an interruption."""
    here = sa.inspect(op.get_bind())
    there = {column["name"] for column in here.get_columns("sessions")}
    with op.batch_alter_table("sessions") as table:
        for column in _columns():
            if column.name not in there:
                table.add_column(column)
    _name_sessions()
    if "ix_sessions_public" not in {index["name"] for index in here.get_indexes("sessions")}:
        with op.batch_alter_table("sessions") as table:
            table.alter_column("public", existing_type=sa.String(32), nullable=False)
            table.create_index("ix_sessions_public", ["public"], unique=True)
    if not here.has_table("deletions"):
        _note_deletions()


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("public", sa.String(32), nullable=True),
        sa.Column("browser", sa.String(40), nullable=False, server_default=""),
        sa.Column("created", sa.Double, nullable=False, server_default="0"),
    ]


def _name_sessions() -> None:
    unnamed = sa.select(sessions.c.token).where(sessions.c.public.is_(None))
    for (token,) in op.get_bind().execute(unnamed).all():
        named = sa.update(sessions).where(sessions.c.token == token)
        op.get_bind().execute(named.values(public=secrets.token_hex(16)))


def _note_deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("identity", sa.String(64), nullable=False, unique=True),
        sa.Column("name", exact(32), nullable=True),
        sa.Column("deleted_as", sa.String(32), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("deletions")
    with op.batch_alter_table("sessions") as table:
        table.drop_index("ix_sessions_public")
        for column in ("public", "browser", "created"):
            table.drop_column(column)
