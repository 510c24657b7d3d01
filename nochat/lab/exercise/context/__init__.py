"""Files that exercises give to students, for images and containers of their own."""

import shutil
from pathlib import Path

from nochat.lab.errors import ContainersError
from nochat.lab.exercise.catalogue import Mistake

FOLDER = Path(__file__).parent
MOST_LINES = 6  # of what Compose said


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
    return Mistake("file", error="\n".join(str(error).splitlines()[:MOST_LINES]))
