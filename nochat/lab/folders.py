"""The folders that the lab works in: the project's own, and temporary ones."""

import tempfile
from pathlib import Path

import nochat
from nochat.lab import surroundings
from nochat.lab.errors import MachinesError
from nochat.lab.inventory import CONTAINERS_HOST


def find_root() -> Path:
    """Return the folder of the Vagrantfile: the current one, one above it, or the project's own.

    Vagrantfiles of other projects are skipped.

    Raises:
        MachinesError: there is no such folder.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(nochat.__file__).parent.parent):
        file = folder / "Vagrantfile"
        # The course's Vagrantfile names the first machine.
        if file.exists() and CONTAINERS_HOST in file.read_text(encoding="utf-8", errors="replace"):
            return folder
    raise MachinesError(f"there is no Vagrantfile in {here}: go to the project's folder")


def own_folder(name: str) -> Path:
    """Create a temporary folder for servers; `surroundings.is_suitable` has the criteria."""
    where = surroundings.temporary(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"nochat-{name}-", dir=where))
