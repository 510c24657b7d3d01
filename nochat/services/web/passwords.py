"""Passwords that are too easy to guess: common ones, also followed by a year, and names.

Only zxcvbn's list of 30,000 common passwords is used. Its estimate of guesses would allow a denial
of service: for some passwords of 72 characters it takes more than half a minute.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from nochat.domain.text import fold

# Words on the page itself.
OURS = ("nochat", "chat", "password", "contraseña")

_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")  # digits and marks
_REPEATED = re.compile(r"(.{1,4}?)\1+.?", re.DOTALL)


def is_weak(password: str, *names: str) -> bool:
    """Return whether a password is among the first that an attacker would try.

    Args:
        password: the password as typed.
        names: names such as the user's, which it may contain, but not consist of.
    """
    said = fold(password)
    stem = _ENDS.sub("", said)
    # More than half of it is common; the rest may be a year.
    common = said in _common() or (2 * len(stem) > len(said) and stem in _common())
    return common or _is_pattern(said) or _is_made_of(said, [*map(fold, names), *OURS])


def _is_pattern(said: str) -> bool:
    """Return whether it repeats a short piece, or is a sequence such as `abcdefgh` or `8765`."""
    steps = {ord(after) - ord(before) for before, after in pairwise(said)}
    return bool(_REPEATED.fullmatch(said)) or steps in ({1}, {-1})


def _is_made_of(said: str, names: Iterable[str]) -> bool:
    """Return whether it consists of names, digits and punctuation."""
    left = said
    for name in sorted(filter(None, names), key=len, reverse=True):
        left = left.replace(name, "")
    return left != said and not _ENDS.sub("", left)


@cache
def _common() -> frozenset[str]:
    # Imported here, not above: it takes 0.2 s, and is needed only for a new password.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
