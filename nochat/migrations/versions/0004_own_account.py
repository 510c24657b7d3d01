"""What a session is called, since when and in which browser; and accounts that were deleted."""

import secrets

import sqlalchemy as sa
from alembic import op

from nochat.stores.users import exact

revision = "0004"
down_revision = "0003"

sessions = sa.table("sessions", sa.column("token"), sa.column("public"))


def upgrade() -> None:
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("public", sa.String(32), nullable=True))
        table.add_column(sa.Column("browser", sa.String(40), nullable=False, server_default=""))
        table.add_column(sa.Column("created", sa.Double, nullable=False, server_default="0"))
    for (token,) in op.get_bind().execute(sa.select(sessions.c.token)).all():
        named = sa.update(sessions).where(sessions.c.token == token)
        op.get_bind().execute(named.values(public=secrets.token_hex(16)))
    with op.batch_alter_table("sessions") as table:
        table.alter_column("public", existing_type=sa.String(32), nullable=False)
        table.create_index("ix_sessions_public", ["public"], unique=True)
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
