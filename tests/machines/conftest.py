"""What the tests of real machines share: both, by Docker and by LXC; the stand-in for Azure."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nochat.lab import deploy, servers
from nochat.lab.azure.stand_in.starter import AzureStandIn, azure_stand_in
from nochat.lab.servers import Registry
from tests.conftest import REQUIRE_ALL, ROOT, box
from tests.notebooks.running import MARK, Paused

USER = "lia"  # who logs in to machines in Azure

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not REQUIRE_ALL,
    reason="only root may make bridges, and LXC machines as the Vagrantfile does",
)


@contextmanager
def notebook(name: str, heading: str, out: Path, **parameters: Any) -> Iterator[Paused]:
    """A notebook that waits where its student would go on with its machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, name)
        running = Paused(ROOT / "notebooks" / f"{name}.ipynb", heading, out, parameters)
        yield running
        running.go_on()


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
        subprocess.run(["docker", *command, "--quiet"], capture_output=True, text=True, check=True)
        for command in asked
    ]
    return {line for listing in ran for line in listing.stdout.split()}


@pytest.fixture(scope="module")
def before(image) -> set[str]:
    return containers()


@pytest.fixture(scope="module")
def azure(before, place) -> Iterator[AzureStandIn]:
    with azure_stand_in(machines=True) as azure:
        for name, value in azure.environment.items():
            place.setenv(name, value)
        place.setenv("AZURE_SSH_USERNAME", USER)
        yield azure
    assert containers() == before
