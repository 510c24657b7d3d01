"""The bases of machines and images where nothing is downloaded: made of Debian's packages."""

import os
import subprocess
from collections import deque

from nochat.lab.board import Board
from nochat.lab.errors import ContainersError
from nochat.lab.folders import find_root
from nochat.lab.surroundings import is_offline

VARIABLES = {
    "docker": "NOCHAT_MACHINE_BASE",
    "lxc": "NOCHAT_MACHINE_BOX",
    "libvirt": "NOCHAT_MACHINE_BOX",
    "python": "BASE_IMAGE",
}
OURS = "nochat/"  # the names of what tools/box makes begin with it


def prepare(kind: str, *, quiet: bool = False) -> None:
    """With `NOCHAT_OFFLINE`, make the base of a kind as `tools/box` does, unless it is there.

    Args:
        kind: what `tools/box` makes; for others than those in `VARIABLES`, nothing happens.
        quiet: print nothing.

    Raises:
        ContainersError: it can't be made; the message has what was said.
    """
    if is_offline() and os.environ.get(VARIABLES.get(kind, ""), "").startswith(OURS):
        _make(kind, quiet)


def _make(kind: str, quiet: bool) -> None:
    said = deque[str](maxlen=20)
    with (
        Board(quiet) as board,
        subprocess.Popen(
            [find_root() / "tools" / "box", kind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        board.say("base", "is looked for")
        assert process.stderr
        for line in process.stderr:
            said.append(line.removeprefix("box: ").rstrip())
            board.say("base", said[-1])
    if process.returncode:
        raise ContainersError("\n".join([f"`tools/box {kind}` failed. It said:", *said]))
