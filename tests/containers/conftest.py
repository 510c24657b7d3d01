"""The chat's image, and the whole chat, made where no public images can be had."""

from collections.abc import Iterator

import pytest

from nochat.lab import containers
from nochat.local.processes import free_port
from tests.conftest import box


@pytest.fixture(scope="module")
def chat_image(images_of_debian) -> str:
    box("python")
    containers.build()
    return "nochat"


@pytest.fixture(scope="module")
def stack(chat_image, images_of_debian) -> Iterator[containers.Stack]:
    for name, value in {"PEOPLE": "2", "RATE": "20", "SECONDS": "1"}.items():
        images_of_debian.setenv(f"LOAD_{name}", value)
    images_of_debian.setenv("PROMETHEUS_PORT", str(free_port()))
    with containers.up() as stack:
        yield stack
