"""Passwords of a notebook's people: secret, and the same in all kernels of a student.

They are derived from a random key in the student's home: on a shared server, each student's people
have passwords of their own, and a restarted kernel can log in again.
"""

import base64
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_data_path

BYTES = 32

_people: set[str] = set()


def password_of(name: str) -> str:
    """Return the password of one of your people."""
    _people.add(name)
    digest = hmac.digest(_key(), name.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def people() -> frozenset[str]:
    """Return the names of the people that this process has made, as opposed to its user."""
    return frozenset(_people)


def new_password() -> str:
    """Return a password of letters, digits, `-` and `_`: safe in URLs, SQL and Erlang terms."""
    return secrets.token_urlsafe(24)


@cache
def _key() -> bytes:
    """Return the key in the user's folder, or one for this process if the folder can't be used."""
    with suppress(OSError, RuntimeError):
        return _kept(user_data_path("nochat") / "people.key")
    return secrets.token_bytes(BYTES)


def _kept(file: Path) -> bytes:
    """Return a file's bytes; create it with random bytes if it does not exist."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        # It is complete from the start, and the first one wins if two kernels create it at once.
        descriptor, made = tempfile.mkstemp(dir=file.parent)  # private to this user
        try:
            with open(descriptor, "wb") as new:
                new.write(secrets.token_bytes(BYTES))
            with suppress(FileExistsError):
                os.link(made, file)
        finally:
            os.unlink(made)
    return file.read_bytes()
