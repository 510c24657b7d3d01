"""Explanations of commands that failed: their last lines, and advice."""

import re
import shlex
from collections.abc import Sequence

LINES = 12


def explain(command: Sequence[str], output: str, advice: Sequence[tuple[str, str]]) -> str:
    """Explain a command that failed to a person.

    Args:
        command: the command.
        output: all that it said.
        advice: what to do, each with the pattern of an output that asks for it; the first fits.
    """
    lines = [line.rstrip() for line in output.splitlines() if line.strip()][-LINES:]
    said = "\n".join(f"    {line}" for line in lines)
    fitting = (text for pattern, text in advice if re.search(pattern, output))
    return f"`{shlex.join(command)}` failed. It said:\n{said}\nTo do: {next(fitting, 'see above')}"
