"""The search terms of a text: its words, without capitals and accents.

Scripts without spaces between words are indexed by pairs of characters. The page highlights
matches by the same rules (`static/text.js`).
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from nochat.domain.text import MARKS, curbed, fold

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
# Characters that occur within words, and are ignored.
JOINERS = "\u00ad\u034f\u0640\u180b-\u180d\u200c-\u200f\u2060\ufe00-\ufe0f\ufeff"

_ACCENTS = re.compile(f"[{ACCENTS}]")
_JOINERS = re.compile(f"[{JOINERS}]")
_WORD = re.compile(rf"([{UNSPACED}]+)|(?:(?![{UNSPACED}])[\w{MARKS}])+")
_CLUSTER = re.compile(rf"[\s\S][{MARKS}]*")  # a character with its marks
SHORTEST_TOPIC = 4
MOST_TERMS = 500  # the first of one text; each costs space, and time of each search
MOST_TOPICS = 100
LONGEST_TERM = 64  # characters; a longer word is cut off


class SearchTerm(NamedTuple):
    """A term to search for; with `begins`, it is a prefix."""

    term: str
    begins: bool


def terms(text: str) -> list[str]:
    """List the search terms of a text, each once; a very long text is cut off."""
    return _first(_terms(text), MOST_TERMS)


def _terms(text: str) -> Iterator[str]:
    for word, unspaced in _words(searchable(text)):
        yield from _pairs(word) if unspaced else [word[:LONGEST_TERM]]


def parse_search(searched: str) -> list[SearchTerm]:
    """List the terms that a message must contain; the last word is a prefix."""
    words = list(_words(searchable(searched)))
    parsed = dict[SearchTerm, None]()
    for number, (word, unspaced) in enumerate(words, 1):
        if not unspaced:
            parsed[SearchTerm(word[:LONGEST_TERM], number == len(words))] = None
        elif len(pairs := list(_pairs(word))) == 1:
            parsed[SearchTerm(word, True)] = None  # a prefix of the pairs that begin with it
        else:
            parsed |= dict.fromkeys(SearchTerm(pair, False) for pair in pairs[:-1])
    return list(parsed)


def topics(text: str) -> list[str]:
    """List the longer words of a text, in lower case: its topics."""
    plain = unicodedata.normalize("NFC", _JOINERS.sub("", curbed(text))).lower()
    words = (word for word, unspaced in _words(plain) if not unspaced)
    return _first(
        (word for word in words if SHORTEST_TOPIC <= len(word) <= LONGEST_TERM), MOST_TOPICS
    )


def searchable(text: str) -> str:
    """Normalise a text for search: no capitals, no accents, no joiners within words."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", fold(_JOINERS.sub("", curbed(text))))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


def _first(texts: Iterator[str], most: int) -> list[str]:
    """Return the first different items, up to `most`."""
    different = dict[str, None]()
    for text in texts:
        different[text] = None
        if len(different) == most:
            break
    return list(different)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Split a text into words; the flag is true for scripts without spaces."""
    return ((match[0], bool(match[1])) for match in _WORD.finditer(text))


def _pairs(run: str) -> Iterator[str]:
    """Pair each character with the next; the last stays alone."""
    characters = (match[0] for match in _CLUSTER.finditer(run))
    return (first + second for first, second in pairwise(chain(characters, [""])))
