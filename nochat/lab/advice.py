"""Explanations of commands that failed: their last lines, and advice."""

import re
import shlex
from collections.abc import Sequence

LINES = 12


def explain(command: Sequence[str], output: str, advice: Sequence[tuple[str, str]]) -> str:
    """Return a readable error for a failed command.

    Args:
        command: the command.
        output: its whole output.
        advice: pairs of a pattern of the output and what to do then; the first match counts.
    """
    lines = [line.rstrip() for line in output.splitlines() if line.strip()][-LINES:]
    said = "\n".join(f"    {line}" for line in lines)
    fitting = (text for pattern, text in advice if re.search(pattern, output))
    return f"`{shlex.join(command)}` failed. It said:\n{said}\nTo do: {next(fitting, 'see above')}"
