"""What of a text is found by a search: its words, without capitals and accents.

Scripts that put no spaces between words are found by pairs of characters. The page marks what was
found by the same rules (`static/text.js`).
"""

import re
import unicodedata
from typing import NamedTuple

from nochat.text import MARKS, fold

# Chinese characters, kana, bopomofo, Thai, Lao, Burmese, Khmer: letters with the marks between.
UNSPACED = (
    "\u3005\u3007\u3021-\u3029\u3031-\u3035\u303b\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u109d"
    "\u1780-\u17d3\u17d7\u17dc\u17dd"
)
# Accents of Latin, Greek and Cyrillic, vowels and other points of Hebrew and Arabic: words are
# often written without them. The marks of Indic scripts, of Thai and of kana are not among them.
ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
# They stand within words, and are no part of them.
JOINERS = "\u00ad\u034f\u0640\u180b-\u180d\u200c-\u200f\u2060\ufe00-\ufe0f\ufeff"

_ACCENTS = re.compile(f"[{ACCENTS}]")
_JOINERS = re.compile(f"[{JOINERS}]")
_WORD = re.compile(rf"([{UNSPACED}]+)|(?:(?![{UNSPACED}])[\w{MARKS}])+")
_CLUSTER = re.compile(rf"[\s\S][{MARKS}]*")  # a character with its marks
SHORTEST_TOPIC = 4


class Wanted(NamedTuple):
    """A term that is searched for; `begins`: what begins so is found too."""

    term: str
    begins: bool


def terms(text: str) -> list[str]:
    """What a text is found by, each once."""
    found = dict[str, None]()
    for word, unspaced in _words(searchable(text)):
        found |= dict.fromkeys(_pairs(word) if unspaced else [word])
    return list(found)


def wanted(searched: str) -> list[Wanted]:
    """The terms that a message must have; the last word is being typed, it may be a beginning."""
    words = list(_words(searchable(searched)))
    found = dict[Wanted, None]()
    for place, (word, unspaced) in enumerate(words, 1):
        if not unspaced:
            found[Wanted(word, place == len(words))] = None
        elif len(pairs := _pairs(word)) == 1:
            found[Wanted(word, True)] = None  # one character begins each pair that it is in
        else:
            found |= dict.fromkeys(Wanted(pair, False) for pair in pairs[:-1])
    return list(found)


def topics(text: str) -> list[str]:
    """The longer words of a text, as they are written but for capitals: what it is about."""
    plain = unicodedata.normalize("NFC", _JOINERS.sub("", text)).lower()
    words = (word for word, unspaced in _words(plain) if not unspaced)
    return list(dict.fromkeys(word for word in words if len(word) >= SHORTEST_TOPIC))


def searchable(text: str) -> str:
    """A text as it is searched: without capitals, accents and what stands within words."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", fold(_JOINERS.sub("", text)))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


def _words(text: str) -> list[tuple[str, bool]]:
    """A text's words; the second says that they are of a script without spaces."""
    return [(found[0], bool(found[1])) for found in _WORD.finditer(text)]


def _pairs(run: str) -> list[str]:
    """Each character with the next, and the last alone."""
    characters = _CLUSTER.findall(run)
    return [first + second for first, second in zip(characters, [*characters[1:], ""], strict=True)]
