"""An empty folder for a Vagrantfile of one's own; what is made there ends with this process."""

import os
from pathlib import Path

from nochat.lab import servers, surroundings
from nochat.lab.folders import own_folder
from nochat.lab.machines.guards import guard
from nochat.lab.machines.vagrant import VagrantFolder

VARIABLE = "VAGRANT_DOTFILE_PATH"

_aside: dict[str, str] = {}


def empty_folder() -> Path:
    """Make an empty folder for a Vagrantfile, whose machines Docker makes.

    The folder and its machines are removed with this process. `VAGRANT_DEFAULT_PROVIDER` is set to
    Docker, unless it is set already. If `VAGRANT_DOTFILE_PATH` is set, it
    is for the course's own machines, and is put aside until these are started.

    Raises:
        Missing: Docker is not installed.
        NotAnswering: Docker's engine can't be used.
    """
    servers.docker(quiet=True)
    if VARIABLE in os.environ:
        _aside[VARIABLE] = os.environ.pop(VARIABLE)
    os.environ.setdefault("VAGRANT_DEFAULT_PROVIDER", "docker")
    place = own_folder("machines")
    folder = place / "own"
    folder.mkdir()
    env = surroundings.of_vagrant(os.environ, folder)
    guard(VagrantFolder(folder, folder / ".vagrant", env), place)
    return folder


def put_back() -> None:
    """Set the variable again that `empty_folder` has put aside."""
    os.environ.update(_aside)
    _aside.clear()
