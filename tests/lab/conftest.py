"""One chat for all tests that only talk in it."""

import pytest

from nochat.lab import chat


@pytest.fixture(scope="session")
def running():
    with chat.start() as started:
        yield started
