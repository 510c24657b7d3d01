"""The tables of the users' database, which alembic's migrations create."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Integer, MetaData, String, Table

from nochat.domain import text

metadata = MetaData()


def exact(length: int) -> String:
    """Return a text type that each database compares exactly, for any characters."""
    # SQLAlchemy's general types: those of MariaDB's dialect are slow to import.
    mariadb = String(length, collation="utf8mb4_bin")
    return String(length).with_variant(mariadb, "mysql", "mariadb")


# Prefix of `folded` for an account whose name became equal to another's (migration 0003): no name
# folds to it, as it has capitals.
NOBODY = "ID "

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", exact(text.LONGEST_NAME), nullable=False),
    # `text.identity` of the name: equal for Ana, ANA and ana.
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
    # The last use, to within `users.NOTED_EVERY`.
    Column("used", Double, nullable=False, index=True),
    # Its id for the user, independent of the token.
    Column("public", String(32), nullable=False, index=True, unique=True),
    Column("browser", String(40), nullable=False, default=""),
    Column("created", Double, nullable=False, default=0.0),
)

# The tokens of users' own programs: see `nochat.stores.tokens`.
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

# Deleted accounts. The digest of the identity stays forever, so that nobody else can take the
# name. The name itself stays only until it is erased everywhere.
deletions = Table(
    "deletions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("identity", String(64), nullable=False, unique=True),
    Column("name", exact(text.LONGEST_NAME), nullable=True),
    Column("deleted_as", String(32), nullable=False),
    Column("at", Double, nullable=False),
)
