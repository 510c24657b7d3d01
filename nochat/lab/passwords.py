"""Passwords of a notebook's people: nobody else can guess them, and every kernel of yours has them.

On a class's server each student's people have passwords of their own: they are made of a random
key in the student's home, so that a kernel that is started again can log in as they did.
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


def password_of(name: str) -> str:
    """Return the password of one of your people."""
    digest = hmac.digest(_key(), name.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_password() -> str:
    """Return a password of letters, digits, `-` and `_`: safe in URLs, SQL and Erlang terms."""
    return secrets.token_urlsafe(24)


@cache
def _key() -> bytes:
    """Return the key in the user's folder; without that, one for this process alone."""
    with suppress(OSError, RuntimeError):
        return _kept(user_data_path("nochat") / "people.key")
    return secrets.token_bytes(BYTES)


def _kept(file: Path) -> bytes:
    """Return a file's bytes; they are made at random if it is not there."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        # Whole from the beginning, and the first one's, where two kernels make it at once.
        descriptor, made = tempfile.mkstemp(dir=file.parent)  # which nobody else may read
        try:
            with open(descriptor, "wb") as new:
                new.write(secrets.token_bytes(BYTES))
            with suppress(FileExistsError):
                os.link(made, file)
        finally:
            os.unlink(made)
    return file.read_bytes()
