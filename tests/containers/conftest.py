"""The chat's image, and its servers', as they are made where no public image can be had."""

import os
from collections.abc import Iterator

import pytest

from nochat.lab import containers
from tests.conftest import ROOT, box


@pytest.fixture(scope="module")
def made_here(docker_engine) -> Iterator[pytest.MonkeyPatch]:
    """What makes images of Debian's packages, set in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("BASE_IMAGE", "nochat/python")
        patch.setenv("COMPOSE_FILE", "docker/compose.yaml:docker/compose.offline.yaml")
        if authority := os.environ.get("PIP_CERT"):
            patch.setenv("BUILD_CA", authority)
        yield patch


@pytest.fixture(scope="module")
def chat_image(made_here) -> str:
    box("python")
    containers.build()
    return "nochat"


@pytest.fixture(scope="module")
def stack(chat_image) -> Iterator[containers.Stack]:
    with containers.up() as stack:
        yield stack
