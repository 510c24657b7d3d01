"""The lab's shell scripts: files beside the modules that run them, so that a linter reads them."""

import shlex
from pathlib import Path


def script(file: Path, **variables: object) -> str:
    """Return the text of a script, after lines that set its variables.

    Texts of several files can be joined into one script, which does not change when the files do.
    """
    lines = (f"{name}={shlex.quote(str(value))}\n" for name, value in variables.items())
    return "".join(lines) + file.read_text(encoding="utf-8")
