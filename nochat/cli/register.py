"""`nochat register`: an account, even if registration on the page is closed."""

import contextlib
import getpass
import sys

import msgspec

from nochat.errors import NochatError
from nochat.protocol.fields import Password
from nochat.services.users import database
from nochat.settings import Settings
from nochat.stores.users import UserStore


def register(settings: Settings, name: str, password: str) -> str:
    """Create an account, directly in the users' database; return its name.

    Raises:
        NochatError: the name is taken or not allowed, or the password is too short or too long.
        Unavailable: the database does not answer.
    """
    try:
        msgspec.convert(password, Password)
    except msgspec.ValidationError:
        raise NochatError("a password has 8 to 256 characters") from None
    with contextlib.closing(UserStore(database(settings))) as store:
        session = store.create(name, password)
        store.close_session(session.token)
    return session.user


def ask_password() -> str:
    """Ask for the password twice; without a terminal, read a line of standard input.

    Raises:
        NochatError: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("The account's password: ")
    if getpass.getpass("Once more: ") != password:
        raise NochatError("the passwords differ; try again")
    return password
