"""What the tests of real machines share: both, by Docker and by LXC; the stand-in for Azure."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from nochat.lab import cloud, deploy, machines, servers
from nochat.lab.machines import Farm
from nochat.lab.servers import Registry
from tests.cgroups import mount_controllers
from tests.conftest import ROOT, box
from tests.notebooks.running import MARK, Paused

USER = "lia"  # who logs in to machines in Azure

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("NOCHAT_REQUIRE_ALL") != "1",
    reason="only root may make bridges, and LXC machines as the Vagrantfile does",
)


@pytest.fixture(scope="module")
def notebook(image, tmp_path_factory) -> Iterator[Paused]:
    """Notebook 05, which waits where its student would go on with both machines in Docker."""
    path = ROOT / "notebooks" / "05_orchestration.ipynb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, path.stem)
        running = Paused(path, "Challenge: a third machine", tmp_path_factory.mktemp("executed"))
        yield running
        running.go_on()


@pytest.fixture(scope="module")
def docker_farm(notebook) -> Farm:
    """Both machines in Docker, provisioned by Ansible as `vagrant up` does it: the notebook's."""
    return machines.up(provider="docker", provision=False)


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


@pytest.fixture(scope="module")
def registry(docker_engine, images_of_debian) -> Iterator[Registry]:
    """A registry that Docker Engine here trusts, for images made of Debian's packages."""
    box("python")
    with servers.registry(quiet=True) as registry:
        registry.trust(docker_engine)
        yield registry


@pytest.fixture(scope="module")
def images(registry) -> dict[str, str]:
    """The chat's images, in that registry."""
    deploy.build(quiet=True)
    return deploy.push(registry, quiet=True)


def containers() -> set[str]:
    """What Docker has: containers, and networks that are not its own."""
    asked = (["ps", "--all"], ["network", "ls", "--filter", "type=custom"])
    ran = [
        subprocess.run(["docker", *it, "--quiet"], capture_output=True, text=True, check=True)
        for it in asked
    ]
    return {line for it in ran for line in it.stdout.split()}


@pytest.fixture(scope="module")
def before(image) -> set[str]:
    return containers()


@pytest.fixture(scope="module")
def azure(before, place) -> Iterator[cloud.AzureStandIn]:
    with cloud.azure_stand_in(machines=True) as it:
        for name, value in it.environment.items():
            place.setenv(name, value)
        place.setenv("AZURE_SSH_USERNAME", USER)
        yield it
    assert containers() == before
