"""Code in a message: names in it are not mentions, neither on the page nor here.

The page renders the other marks: `static/markdown.js` follows the same rules.
"""

import re

DEEPEST = 4  # nesting of quotes
QUOTE = re.compile(r" {0,3}>(?:[ \t]|\Z)")
FENCE = re.compile(r" {0,3}(`{3,})[^`]*\Z")
FENCE_END = re.compile(r"[^`]*(`{3,})[ \t\r]*\Z")
RUN = re.compile(r"`+")


def without_code(text: str) -> str:
    """Replace the code in a text by spaces."""
    return "\n".join(_blanked(text.split("\n"), 0))


def _blanked(lines: list[str], depth: int) -> list[str]:
    shown: list[str] = []
    while len(shown) < len(lines):
        at = len(shown)
        if depth < DEEPEST and QUOTE.match(lines[at]):
            shown += _quote(lines, at, depth)
        elif end := _fence_end(lines, at):
            shown += [" " * len(line) for line in lines[at:end]]
        else:
            shown.append(_without_spans(lines[at]))
    return shown


def _quote(lines: list[str], at: int, depth: int) -> list[str]:
    marks, inner = [], []
    for line in lines[at:]:
        if not (quoted := QUOTE.match(line)):
            break
        marks.append(quoted[0])
        inner.append(line[quoted.end() :])
    return [mark + line for mark, line in zip(marks, _blanked(inner, depth + 1), strict=True)]


def _fence_end(lines: list[str], at: int) -> int:
    """Return the index after a fenced block that begins at a line; 0 without a complete block."""
    opened = FENCE.match(lines[at])
    for end in range(at + 1, len(lines) if opened else 0):
        closed = FENCE_END.match(lines[end])
        if opened and closed and len(closed[1]) >= len(opened[1]):
            return end + 1
    return 0


def _without_spans(line: str) -> str:
    """Replace the code spans of a line by spaces: the text between two equal runs of backticks."""
    runs = list(RUN.finditer(line))
    closing: dict[int, int] = {}  # where a run begins -> where the next of its length ends
    following: dict[int, int] = {}
    for run in reversed(runs):
        if (end := following.get(len(run[0]))) is not None:
            closing[run.start()] = end
        following[len(run[0])] = run.end()
    shown, end = "", 0
    for run in runs:
        if run.start() >= end and run.start() in closing:
            shown += line[end : run.start()]
            end = closing[run.start()]
            shown += " " * (end - run.start())
    return shown + line[end:]
