"""What the tests of real machines share: both machines, by Docker and by LXC."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nochat.lab import machines, servers
from nochat.lab.machines import Farm
from tests.conftest import box

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("NOCHAT_REQUIRE_ALL") != "1",
    reason="only root may make bridges, and LXC machines as the Vagrantfile does",
)


@pytest.fixture(scope="module")
def docker_farm(image) -> Iterator[Farm]:
    """Both machines in Docker, provisioned by Ansible as `vagrant up` does it."""
    with machines.up(provider="docker") as farm:
        yield farm


@pytest.fixture(scope="module")
def lxc_farm(place) -> Iterator[Farm]:
    """Both machines in LXC, as they come."""
    box("lxc")
    with (
        controllers(),
        servers.lxc_bridge(),
        machines.up(provider="lxc", provision=False) as farm,
    ):
        yield farm


@contextmanager
def controllers() -> Iterator[None]:
    """Mount the controllers (of cgroups, version 1) that are in use here, but not to be seen.

    So it is where these tests run in a container: its systemd wants `cpu` and `cpuacct` together,
    and LXC wants all of them.
    """
    folder = Path("/sys/fs/cgroup")
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    seen = {
        it for _, _, kind, options, *_ in mounts if kind == "cgroup" for it in options.split(",")
    }
    used = (line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines())
    missing = [it for it in used if it and "=" not in it and not seen.issuperset(it.split(","))]
    if missing:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    for it in missing:
        if (folder / it).is_symlink():
            (folder / it).unlink()
        (folder / it).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup", "-o", it, "cgroup", folder / it], check=True)
    try:
        yield
    finally:
        for it in missing:
            # Lazily, as what watched over a machine ends a little after it.
            subprocess.run(["umount", "--lazy", folder / it], check=True)
