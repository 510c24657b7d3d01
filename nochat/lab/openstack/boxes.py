"""The boxes of a cloud, built once from Debian's packages and kept."""

import tempfile
from pathlib import Path

from nochat.lab.machines import find_root
from nochat.local.processes import NotReady, start_child, until


def make() -> tuple[Path, Path]:
    """Return the archive of the cloud's machine, and the folder of its servers' boot files.

    Each is built if it does not exist or its sources have changed. An interrupt leaves no partial
    box.

    Raises:
        NotReady: a box can't be built.
        MachinesError: there is no checkout of the project here.
    """
    root = find_root()
    with tempfile.TemporaryDirectory(prefix="nochat-boxes-") as folder:
        log = Path(folder) / "log"
        with start_child([root / "tools" / "box", "cloud", "server"], cwd=root, log=log) as child:
            until(lambda: not child.alive, pause=0.2)
        said = log.read_text(errors="replace", encoding="utf-8")
    # The last line of each is its path; the lines before begin with its name.
    made = [Path(line) for line in said.splitlines() if line.startswith("/")]
    if len(made) != 2:
        raise NotReady(said)
    return made[0], made[1]
