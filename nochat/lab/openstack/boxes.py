"""The boxes that a cloud is made of, built from Debian's packages once and kept."""

import tempfile
from pathlib import Path

from nochat.lab.machines import find_root
from nochat.local.processes import NotReady, start_child, until


def make() -> tuple[Path, Path]:
    """Return the archive of the cloud's machine, and the folder of its servers' boot files.

    Both are built where they are not there, or made of something else than now. An interrupt
    leaves none half made.

    Raises:
        NotReady: one can't be built.
        MachinesError: there is no checkout of the project here.
    """
    root = find_root()
    with tempfile.TemporaryDirectory(prefix="nochat-boxes-") as folder:
        log = Path(folder) / "log"
        with start_child([root / "tools" / "box", "cloud", "server"], cwd=root, log=log) as child:
            until(lambda: not child.alive, pause=0.2)
        said = log.read_text(errors="replace", encoding="utf-8")
    # Each says last where it is; what it says before begins with its name.
    made = [Path(line) for line in said.splitlines() if line.startswith("/")]
    if len(made) != 2:
        raise NotReady(said)
    return made[0], made[1]
