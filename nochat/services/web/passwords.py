"""Passwords that are too easy to guess: common ones, also with a year behind, and names.

Of zxcvbn only its list is used, of 30,000 passwords that many people have. Its estimate of the
guesses that a password takes would be a way to attack the chat: there are passwords of 72
characters for which it computes for more than half a minute.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from nochat.domain.text import fold

# Words that stand on the page itself.
OURS = ("nochat", "chat", "password", "contraseña")

_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")  # digits and marks
_REPEATED = re.compile(r"(.{1,4}?)\1+.?", re.DOTALL)


def is_weak(password: str, *names: str) -> bool:
    """Tell whether a password is one of the first that somebody would try.

    Args:
        password: as it was typed.
        names: of its user, say; it may hold them, but not consist of them.
    """
    said = fold(password)
    stem = _ENDS.sub("", said)
    # More than half of it is common, what was added is a year, say.
    common = said in _common() or (2 * len(stem) > len(said) and stem in _common())
    return common or _is_pattern(said) or _is_made_of(said, [*map(fold, names), *OURS])


def _is_pattern(said: str) -> bool:
    """Tell whether it is one short piece again and again, or a row as `abcdefgh` and `87654321`."""
    steps = {ord(after) - ord(before) for before, after in pairwise(said)}
    return bool(_REPEATED.fullmatch(said)) or steps in ({1}, {-1})


def _is_made_of(said: str, names: Iterable[str]) -> bool:
    """Tell whether it is names, with nothing but digits and marks between."""
    left = said
    for name in sorted(filter(None, names), key=len, reverse=True):
        left = left.replace(name, "")
    return left != said and not _ENDS.sub("", left)


@cache
def _common() -> frozenset[str]:
    # Here, not above: it takes 0.2 s, and only who sets a password needs it.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
