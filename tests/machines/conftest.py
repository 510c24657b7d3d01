"""What the tests of real machines share: both machines, by Docker and by LXC."""

import os
from collections.abc import Iterator

import pytest

from nochat.lab import machines, servers
from nochat.lab.machines import Farm
from tests.cgroups import mount_controllers
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
    mount_controllers()
    with (
        servers.lxc_bridge(),
        machines.up(provider="lxc", provision=False) as farm,
    ):
        yield farm
