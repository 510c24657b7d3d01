"""The tables of the users' database; alembic's migrations make them."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Integer, MetaData, String, Table

from nochat.domain import text

metadata = MetaData()


def exact(length: int) -> String:
    """Return a type of text that each database compares exactly, and that takes any character."""
    # Of SQLAlchemy's general types: those of MariaDB's dialect take a while to import.
    mariadb = String(length, collation="utf8mb4_bin")
    return String(length).with_variant(mariadb, "mysql", "mariadb")


# How the `folded` of an account begins whose name has come to mean another's (migration 0003): no
# name folds to it, as it has capitals.
NOBODY = "ID "

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", exact(text.LONGEST_NAME), nullable=False),
    # `text.identity` of the name: Ana, ANA and ana are one.
    Column("folded", exact(text.LONGEST_IDENTITY), nullable=False, unique=True),
    Column("password", String(255), nullable=False),
    Column("created", Double, nullable=False),
    Column("role", String(16), nullable=False, default="user"),
    Column("banned", Boolean, nullable=False, default=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires", Double, nullable=False, index=True),
    # When somebody was last there, give or take `users.NOTED_EVERY`.
    Column("used", Double, nullable=False, index=True),
    # What its user calls it by: no part of the token, nor made from it.
    Column("public", String(32), nullable=False, index=True, unique=True),
    Column("browser", String(40), nullable=False, default=""),
    Column("created", Double, nullable=False, default=0.0),
)

# What users' own programs come with: see `nochat.stores.tokens`.
tokens = Table(
    "tokens",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("public", String(32), nullable=False, unique=True),
    Column("name", exact(text.LONGEST_TITLE), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False, index=True),
    Column("used", Double, nullable=False),
)

# Accounts that their users deleted. The digest of who it was stays for good: nobody else may come
# as them. The name stays only until nothing of it is left elsewhere.
deletions = Table(
    "deletions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("identity", String(64), nullable=False, unique=True),
    Column("name", exact(text.LONGEST_NAME), nullable=True),
    Column("deleted_as", String(32), nullable=False),
    Column("at", Double, nullable=False),
)
