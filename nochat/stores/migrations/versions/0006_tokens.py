"""Tokens, by which users' own programs read rooms and write in them."""

import sqlalchemy as sa
from alembic import op

from nochat.stores.users_schema import exact

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("tokens"):  # MariaDB keeps what was interrupted
        return
    op.create_table(
        "tokens",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("public", sa.String(32), nullable=False, unique=True),
        sa.Column("name", exact(80), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False, index=True),
        sa.Column("used", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("tokens")
