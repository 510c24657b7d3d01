"""The first manager of a chat: the page lets only managers make others."""

import contextlib

from sqlalchemy.exc import ArgumentError

from nochat.errors import NochatError, RequestFailed
from nochat.protocol.fields import Role
from nochat.services.users import database
from nochat.settings import Settings
from nochat.stores.users import UserStore
from nochat.stores.users_database import sqlite_file


def promote(settings: Settings, name: str, role: Role = "manager") -> str:
    """Change an account's role, directly in the users' database; return the account's name.

    Raises:
        NochatError: there is no such database, or no such account.
        Unavailable: the database does not answer.
    """
    url = database(settings)
    _check_file(url)
    with contextlib.closing(UserStore(url)) as store:
        try:
            account, _ = store.change(name, role)
        except RequestFailed:
            raise NochatError(
                f"there is no user {name!r}; create the account on the chat's page first"
            ) from None
    return account.name


def _check_file(url: str) -> None:
    """Check that the file exists: SQLite would create an empty database."""
    with contextlib.suppress(ArgumentError):  # `UserStore` says what is wrong with the URL
        file = sqlite_file(url)
        if file and not file.is_file():
            raise NochatError(
                f"there is no users' database at {file}; start the chat and create the account "
                "first, or set NOCHAT_DATA_DIR or NOCHAT_USERS_URL as the chat has it"
            )
