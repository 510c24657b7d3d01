"""The folders that the lab works in: the project's own, and temporary ones."""

import tempfile
from pathlib import Path

import nochat
from nochat.lab import surroundings
from nochat.lab.errors import MachinesError
from nochat.lab.inventory import CONTAINERS_HOST


def find_root() -> Path:
    """Return the folder of the Vagrantfile: the current one, or above it, or the project's own.

    One of another project is passed by: its machines are none of ours.

    Raises:
        MachinesError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(nochat.__file__).parent.parent):
        file = folder / "Vagrantfile"
        # One that names the first machine is the course's.
        if file.exists() and CONTAINERS_HOST in file.read_text(encoding="utf-8", errors="replace"):
            return folder
    raise MachinesError(f"there is no Vagrantfile in {here}: go to the project's folder")


def own_folder(name: str) -> Path:
    """Make a temporary folder in which servers can work, as `surroundings.is_suitable` has it."""
    where = surroundings.temporary(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"nochat-{name}-", dir=where))
