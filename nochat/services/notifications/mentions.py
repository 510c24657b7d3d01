"""Mentions in a message: `@` and a name, in any script; not addresses, links and packages.

The page reads mentions by the same rules (`static/text.js`).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from nochat.domain.search_terms import UNSPACED
from nochat.domain.text import MARKS, curbed, identity

AT = "@\uff20"  # the second is as wide as a Chinese character
LONGEST = 96  # characters in which a name is looked for: accents may be characters of their own

# A letter before an @ makes it an address, but not in a script that has no spaces. What begins
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
    """Tell whether a text can mention anybody at all."""
    return any(_runs(text))


def mentioned(text: str, names: Iterable[str]) -> set[str]:
    """List those of the names that a text mentions.

    What follows an @ may be more than a name: `@fred.See`, `@李雷さん`. The longest beginning that
    is somebody's name counts. A full stop or dash at its end may as well belong to the sentence:
    of `ana` and `ana.`, `@ana.` means both.
    """
    runs = list(_runs(text))
    if not runs:
        return set()
    known = {identity(name): name for name in names}
    return {name for run in runs for name in _named(run, known)}


def _runs(text: str) -> Iterator[str]:
    """Yield the text after each @, as far as it may be a name."""
    return (match[1] for match in _AT.finditer(curbed(text)) if match[1])


def _named(run: str, known: dict[str, str]) -> Iterator[str]:
    # Folded piece by piece: a name ends where nothing that follows changes what is before.
    ends = [end for end in range(1, min(len(run), LONGEST) + 1) if _may_end(run, end)]
    folded = accumulate(identity(run[start:end]) for start, end in pairwise([0, *ends]))
    for end, meant in reversed([*zip(ends, folded, strict=True)]):
        if name := known.get(meant):
            yield name
            if run[end - 1] not in ".-":
                return


def _may_end(run: str, end: int) -> bool:
    """Tell whether a name may end there: between words, or in a script that has no spaces."""
    following = run[end : end + 1]
    if not following or following in ".-":
        return True
    if _MARK.match(following):
        return False
    return bool(_UNSPACED.match(following) or _UNSPACED.match(run[end - 1]))
