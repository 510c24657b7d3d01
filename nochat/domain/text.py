"""The chat's policy on Unicode: which texts people may write, and when two texts are equal.

The page of security tells it (docs/security.md, "Text and names"), and `static/text.js` is its
other half: `tests/domain/text_cases.json` has the cases that both must get right.
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
ASKED_NAME = 64  # of a name that somebody looks for: nobody has a longer one

# Unicode calls them letters, symbols or nothing yet; they are drawn as nothing.
BLANK = "\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
# Marks that choose between two shapes of a character, and are nothing by themselves.
SELECTORS = "\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f"
# They turn the direction of all that follows, beyond the text that they stand in.
BIDI = "\u202a-\u202e\u2066-\u2069"


# Where marks are looked for: between these are ideographs, Hangul, surrogates and private use.
WITH_MARKS = range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x1F000)


def _marks() -> str:
    """List the marks as ranges: beyond the first plane, a pattern tries them one by one."""
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

# How the names begin that take the place of deleted accounts': nobody may be called so.
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
    """A text that is not taken; says why, to whom wrote it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def fold(text: str) -> str:
    """Remove what makes no difference: capitals, width, how accents are encoded."""
    if text.isascii():
        return text.lower()
    # Twice: what the one makes may be for the other (Unicode, section 3.13, D146).
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return text


@cache
def _growth() -> tuple[re.Pattern[str], dict[str, int]]:
    """Find the characters that become three or more in folding, and by how much each grows.

    It takes a while, so it waits until there is a text to fold.
    """
    made = (chr(code) for code in range(0x80, 0x1F300) if unicodedata.decomposition(chr(code)))
    growth = {character: grown for character in made if (grown := len(fold(character)) - 1) > 1}
    return re.compile(f"[{''.join(growth)}]"), growth


def curbed(text: str) -> str:
    """Blank the text where folding would make it much longer: one character may become eighteen.

    No text that means something has so many of these characters.
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
    """Return the identity of a name: two names are one person's exactly where this is equal.

    Capitals, full-width letters and the encoding of accents make no difference, accents do:
    `josé` and `jose` are two people. Not composed at the end, as what older versions stored.
    """
    return fold(name)


def is_deleted(name: str) -> bool:
    """Tell whether a name stands for an account that was deleted."""
    return name.startswith(DELETED)


# ---- what is taken ------------------------------------------------------------------------------


def whole(text: str) -> str:
    """Take any text that can be encoded.

    Raises:
        TextRefused: it holds half a character, a lone surrogate.
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
    """Take the name of a new account, composed (NFC).

    Raises:
        TextRefused: nobody may be called so.
    """
    normal = unicodedata.normalize("NFC", whole(text))
    if not 2 <= len(normal) <= LONGEST_NAME or len(identity(normal)) > LONGEST_IDENTITY:
        raise TextRefused(reasons.name_length(LONGEST_NAME))
    if not _NAME.fullmatch(normal) or _BLANK.search(normal):
        raise TextRefused(reasons.name_form())
    return normal


def asked_name(text: str) -> str:
    """Take a name to look for, or the beginning of one.

    Raises:
        TextRefused: it is too long for a name, or can't be encoded.
    """
    return _bounded(whole(text), ASKED_NAME, reasons.name_too_long)


def title(text: str) -> str:
    """Take a room's title, composed, in one line.

    Raises:
        TextRefused: nothing of it can be seen, it would turn the text around it, or it is too long.
    """
    normal = " ".join(unicodedata.normalize("NFC", whole(text)).split())
    if not is_visible(normal):
        raise TextRefused(reasons.title_empty())
    if _CONTROL.search(normal):
        raise TextRefused(reasons.title_control())
    return _bounded(normal, LONGEST_TITLE, reasons.title_too_long)


def message(text: str) -> str:
    """Take a message, as it was written.

    Raises:
        TextRefused: nothing of it can be seen, or it is too long.
    """
    if not is_visible(whole(text)):
        raise TextRefused(reasons.message_empty())
    return _bounded(text, LONGEST_MESSAGE, reasons.message_too_long)


def reaction(text: str) -> str:
    """Take a reaction, in its one spelling.

    Raises:
        TextRefused: nothing of it can be seen, it has blanks, or it is too long.
    """
    normal = one_spelling(whole(text))
    if not is_visible(normal) or re.search(r"\s", normal) or _CONTROL.search(normal):
        raise TextRefused(reasons.reaction_form())
    return _bounded(normal, LONGEST_REACTION, reasons.reaction_too_long)


def search(text: str) -> str:
    """Take the words of a search.

    Raises:
        TextRefused: there is nothing to search for, or it is too long.
    """
    if not whole(text):
        raise TextRefused(reasons.search_empty())
    return _bounded(text, LONGEST_SEARCH, reasons.search_too_long)


def room(text: str) -> str:
    """Take a room's id.

    Raises:
        TextRefused: no room has such an id.
    """
    if not _ROOM.fullmatch(text):
        raise TextRefused(reasons.room_id())
    return text


def client_id(text: str) -> str:
    """Take a client's own id of a message: printable ASCII, which every store compares exactly.

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
