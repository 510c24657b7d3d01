"""`nochat grade`: the only command of the course. It needs the packages of `nochat[lab]`."""

from pathlib import Path

from nochat.errors import NochatError


def grade(folder: Path, out: Path, masters: Path | None, jobs: int, seconds: float) -> None:
    """Judge the submitted notebooks of a folder.

    Raises:
        NochatError: nothing can be graded; the message says why.
    """
    try:
        from nochat.lab.grading import grade as grading
    except ImportError as error:
        raise NochatError(f"{error.name} is missing: install nochat[lab]") from error

    def say(line: str) -> None:
        print(line, flush=True)

    grading.grade(folder, out, masters, jobs=jobs, seconds=seconds, say=say)
