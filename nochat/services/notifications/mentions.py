"""Mentions in a message: `@` and a name, in any script, but not addresses, links and packages.

The page finds mentions by the same rules (`static/text.js`).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from nochat.domain.search_terms import UNSPACED
from nochat.domain.text import MARKS, curbed, identity

AT = "@\uff20"  # the second is full-width
LONGEST = 96  # characters to search for a name, as accents may be separate characters
# A letter before an @ makes it an address, except in a script without spaces. A text that begins
# with a scheme is a link as a whole.
_AT = re.compile(
    rf"[a-z][a-z0-9+.-]{{1,15}}://\S+"
    rf"|(?<![/{AT}])(?<!(?![{UNSPACED}])[\w{MARKS}])[{AT}]([\w{MARKS}.-]+)"
    rf"(?![\w{MARKS}.-]|[/{AT}]\w)",
    re.IGNORECASE,
)
_MARK = re.compile(f"[{MARKS}]")
_UNSPACED = re.compile(f"[{UNSPACED}]")


def may_mention(text: str) -> bool:
    """Return whether a text may contain a mention."""
    return any(_runs(text))


def mentioned(text: str, names: Iterable[str]) -> set[str]:
    """Return the names that a text mentions.

    More text may follow a name after an @: `@fred.See`, `@李雷さん`. The longest prefix that is a
    user's name counts. A full stop or dash at its end may also belong to the sentence: with users
    `ana` and `ana.`, `@ana.` mentions both.
    """
    runs = list(_runs(text))
    if not runs:
        return set()
    known = {identity(name): name for name in names}
    return {name for run in runs for name in _named(run, known)}


def _runs(text: str) -> Iterator[str]:
    """Yield the text after each @ that may contain a name."""
    return (match[1] for match in _AT.finditer(curbed(text)) if match[1])


def _named(run: str, known: dict[str, str]) -> Iterator[str]:
    # Folded piece by piece: a name ends where the following text does not change its folding.
    ends = [end for end in range(1, min(len(run), LONGEST) + 1) if _may_end(run, end)]
    folded = accumulate(identity(run[start:end]) for start, end in pairwise([0, *ends]))
    for end, meant in reversed([*zip(ends, folded, strict=True)]):
        if name := known.get(meant):
            yield name
            if run[end - 1] not in ".-":
                return


def _may_end(run: str, end: int) -> bool:
    """Return whether a name may end there: between words, or in a script without spaces."""
    following = run[end : end + 1]
    if not following or following in ".-":
        return True
    if _MARK.match(following):
        return False
    return bool(_UNSPACED.match(following) or _UNSPACED.match(run[end - 1]))
