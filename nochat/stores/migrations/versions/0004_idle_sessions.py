"""The time at which a session was last used."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INDEX = "ix_sessions_used"


def upgrade() -> None:
    # MariaDB keeps what an interrupted migration has done.
    there = sa.inspect(op.get_bind())
    if "used" not in {column["name"] for column in there.get_columns("sessions")}:
        # The sessions that there are count as in use.
        used = sa.Column("used", sa.Double, nullable=False, server_default=f"{time.time():.0f}")
        with op.batch_alter_table("sessions") as sessions:
            sessions.add_column(used)
    if INDEX not in {index["name"] for index in there.get_indexes("sessions")}:
        op.create_index(INDEX, "sessions", ["used"])


def downgrade() -> None:
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_index(INDEX)
        sessions.drop_column("used")
