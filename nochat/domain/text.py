"""The chat's policy on Unicode: which texts are valid, and when two texts are equal.

The page on security documents it (docs/security.md, "Text and names"). `static/text.js` has the
same rules for the page; `tests/domain/text_cases.json` has the test cases of both.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import chain

from nochat.domain.emoji import one_spelling
from nochat.protocol import reasons
from nochat.protocol.reasons import BoundReason, Reason

LONGEST_NAME = 32
LONGEST_IDENTITY = 128  # the width of its column: folding may make a name longer
LONGEST_TITLE = 80
LONGEST_MESSAGE = 4000
LONGEST_REACTION = 16
LONGEST_SEARCH = 200
MOST_GROWTH = 1000  # characters by which a text may grow in folding
ASKED_NAME = 64  # characters of a name in a search: no name is longer

# Characters that are drawn as nothing, although Unicode lists them as letters, symbols or not yet.
BLANK = "\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
# Marks that select between two shapes of a character, and are invisible by themselves.
SELECTORS = "\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f"
# Controls that change the direction of all the text that follows, beyond their own text.
BIDI = "\u202a-\u202e\u2066-\u2069"


# The ranges with marks: between them are ideographs, Hangul, surrogates and private use.
WITH_MARKS = range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x1F000)


def _marks() -> str:
    """Return the marks as ranges: single marks beyond the first plane make a pattern slow."""
    is_ignored = re.compile(f"[{SELECTORS}]").match
    marks = [
        code
        for code in chain(*WITH_MARKS)
        if unicodedata.category(chr(code))[0] == "M" and not is_ignored(chr(code))
    ]
    first = [
        code for code, before in zip(marks, [0, *marks[:-1]], strict=True) if code != before + 1
    ]
    last = [code for code, after in zip(marks, [*marks[1:], 0], strict=True) if code != after - 1]
    return "".join(f"{chr(one)}-{chr(other)}" for one, other in zip(first, last, strict=True))


MARKS = _marks()  # parts of letters, which Python's `\w` leaves out

# Prefix of the names that replace those of deleted accounts; no account may have it.
DELETED = "~deleted-"

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f{BIDI}]")
_NAME = re.compile(rf"\w[\w{MARKS}.-]*")
_BLANK = re.compile(f"[{BLANK}]")
_PRINTED = re.compile("[!-~]")  # what can be seen of ASCII: nearly every text has some
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,64}")
_ROOM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

Rule = Callable[[str], str]


class TextRefused(ValueError):
    """A text that is refused, with the reason for its author."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def fold(text: str) -> str:
    """Fold differences of case, width and the encoding of accents."""
    if text.isascii():
        return text.lower()
    # Twice: the result of one step may need the other again (Unicode, section 3.13, D146).
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return text


@cache
def _growth() -> tuple[re.Pattern[str], dict[str, int]]:
    """Find the characters that folding makes into three or more, and by how much each grows.

    This takes a while, so it is done when the first text needs it.
    """
    made = (chr(code) for code in range(0x80, 0x1F300) if unicodedata.decomposition(chr(code)))
    growth = {character: grown for character in made if (grown := len(fold(character)) - 1) > 1}
    return re.compile(f"[{''.join(growth)}]"), growth


def curbed(text: str) -> str:
    """Replace characters by spaces when folding would make the text much longer.

    One character may become eighteen; no meaningful text has so many of these.
    """
    if text.isascii():
        return text
    growing, growth = _growth()
    left = MOST_GROWTH

    def kept(match: re.Match[str]) -> str:
        nonlocal left
        left -= growth[match[0]]
        return match[0] if left >= 0 else " "

    return growing.sub(kept, text)


@lru_cache(maxsize=1 << 14)
def identity(name: str) -> str:
    """Return the identity of a name: two names belong to one person exactly if it is equal.

    Capitals, full-width letters and the encoding of accents make no difference, accents do:
    `josé` and `jose` are two people. It is not composed at the end: older versions stored it so.
    """
    return fold(name)


def is_deleted(name: str) -> bool:
    """Return whether a name replaces that of a deleted account."""
    return name.startswith(DELETED)


# ---- validation ---------------------------------------------------------------------------------


def whole(text: str) -> str:
    """Validate that a text can be encoded.

    Raises:
        TextRefused: it contains half a character, a lone surrogate.
    """
    if not text.isascii() and _SURROGATE.search(text):
        raise TextRefused(reasons.text_half())
    return text


def is_visible(text: str) -> bool:
    """Tell whether anything of a text can be seen."""
    return bool(_PRINTED.search(text)) or any(map(_is_visible, text))


def _is_visible(character: str) -> bool:
    kind = unicodedata.category(character)
    nothing = kind[0] in "ZM" or kind in ("Cc", "Cf", "Cs")
    return not nothing and not _BLANK.match(character)


def name(text: str) -> str:
    """Validate the name of a new account; return it composed (NFC).

    Raises:
        TextRefused: the name is not allowed.
    """
    normal = unicodedata.normalize("NFC", whole(text))
    if not 2 <= len(normal) <= LONGEST_NAME or len(identity(normal)) > LONGEST_IDENTITY:
        raise TextRefused(reasons.name_length(LONGEST_NAME))
    if not _NAME.fullmatch(normal) or _BLANK.search(normal):
        raise TextRefused(reasons.name_form())
    return normal


def asked_name(text: str) -> str:
    """Validate a name to search for, or the beginning of one.

    Raises:
        TextRefused: it is too long for a name, or can't be encoded.
    """
    return _bounded(whole(text), ASKED_NAME, reasons.name_too_long)


def title(text: str) -> str:
    """Validate a room's title; return it composed, in one line.

    Raises:
        TextRefused: it is invisible, has control characters, or is too long.
    """
    normal = " ".join(unicodedata.normalize("NFC", whole(text)).split())
    if not is_visible(normal):
        raise TextRefused(reasons.title_empty())
    if _CONTROL.search(normal):
        raise TextRefused(reasons.title_control())
    return _bounded(normal, LONGEST_TITLE, reasons.title_too_long)


def message(text: str) -> str:
    """Validate a message; return it unchanged.

    Raises:
        TextRefused: it is invisible or too long.
    """
    if not is_visible(whole(text)):
        raise TextRefused(reasons.message_empty())
    return _bounded(text, LONGEST_MESSAGE, reasons.message_too_long)


def reaction(text: str) -> str:
    """Validate a reaction; return it in its normal spelling.

    Raises:
        TextRefused: it is invisible, has spaces or control characters, or is too long.
    """
    normal = one_spelling(whole(text))
    if not is_visible(normal) or re.search(r"\s", normal) or _CONTROL.search(normal):
        raise TextRefused(reasons.reaction_form())
    return _bounded(normal, LONGEST_REACTION, reasons.reaction_too_long)


def search(text: str) -> str:
    """Validate the words of a search.

    Raises:
        TextRefused: it is empty or too long.
    """
    if not whole(text):
        raise TextRefused(reasons.search_empty())
    return _bounded(text, LONGEST_SEARCH, reasons.search_too_long)


def room(text: str) -> str:
    """Validate a room's id.

    Raises:
        TextRefused: it does not have the form of a room's id.
    """
    if not _ROOM.fullmatch(text):
        raise TextRefused(reasons.room_id())
    return text


def client_id(text: str) -> str:
    """Validate a client id of a message: printable ASCII, which every store compares exactly.

    Raises:
        TextRefused: it is empty, too long, or has other characters.
    """
    if not _CLIENT_ID.fullmatch(text):
        raise TextRefused(reasons.message_client_id())
    return text


def _bounded(text: str, most: int, too_long: BoundReason) -> str:
    if len(text) > most:
        raise TextRefused(too_long(most))
    return text
