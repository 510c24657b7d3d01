"""Files that exercises give to students, for images and containers of their own."""

import re
import shutil
from pathlib import Path

from nochat.lab.errors import ContainersError
from nochat.lab.exercise.catalogue import Mistake

FOLDER = Path(__file__).parent
MOST_LINES = 6  # of what Compose or a build said
# Lines of Compose and of BuildKit that say how far they were, and not what is wrong.
STEP = re.compile(
    r"(Creating|Recreating|Starting) \S+|(Container|Network|Volume) \S+ +[A-Z]\w+$|-+$|> \[|"
    r"To do: see above"
)
NUMBER = re.compile(r"#\d+ (?:\d+\.\d+ )?")  # of a step of a build, and its seconds


def given(folder: str | Path, *names: str) -> None:
    """Copy files of an exercise into a folder, where containers may read them.

    Args:
        folder: is made if there is none.
        names: of the files.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        path = Path(shutil.copy(FOLDER / name, folder))
        path.chmod(0o644)


def own_file(answer: object) -> Path:
    """Return the path of a student's file.

    Raises:
        Mistake: it is no path of a file.
    """
    if not isinstance(answer, str | Path):
        raise Mistake("failed", error=f"a path of a file is needed, not {answer!r}")
    path = Path(answer).expanduser().absolute()
    if not path.is_file():
        raise Mistake("failed", error=f"there is no file {path}")
    return path


def refused(error: ContainersError) -> Mistake:
    """Return the mistake of a file that Compose did not take."""
    return Mistake("file", error="\n".join(reasons(error)[:MOST_LINES]))


def reasons(error: ContainersError) -> list[str]:
    """Return the lines of a failed command that are not about its steps."""
    lines = (line for line in str(error).splitlines() if not STEP.match(line.strip()))
    return [NUMBER.sub("", line, count=1) for line in lines]
