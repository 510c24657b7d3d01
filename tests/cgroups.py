"""What LXC and Docker want of the computer that tests run on, where that is a container itself."""

import fcntl
import os
import subprocess
from pathlib import Path

FOLDER = Path("/sys/fs/cgroup")


def mount_controllers() -> None:
    """Mount the controllers (of cgroups, version 1) that are in use here, but not to be seen.

    So it is in a container: its systemd wants `cpu` and `cpuacct` together, and LXC wants all of
    them. They stay, as other tests may use them by then, and are gone with the container.
    """
    folder = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # Tests side by side would be in each other's way.
        _mount(_missing())
    finally:
        os.close(folder)


def _missing() -> list[str]:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    seen = {
        option
        for _, _, kind, options, *_ in mounts
        if kind == "cgroup"
        for option in options.split(",")
    }
    used = (line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [
        names
        for names in used
        if names and "=" not in names and not seen.issuperset(names.split(","))
    ]


def _mount(missing: list[str]) -> None:
    if missing:
        subprocess.run(["mount", "-o", "remount,rw", FOLDER], check=True)
    for name in missing:
        if (FOLDER / name).is_symlink():
            (FOLDER / name).unlink()
        (FOLDER / name).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup", "-o", name, "cgroup", FOLDER / name], check=True)
