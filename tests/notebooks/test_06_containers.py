from pathlib import Path

import pytest

from nochat.lab import surroundings
from nochat.lab.course import execution

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_notebook(execute, docker_engine, place, mitogen, monkeypatch):
    """As `NOCHAT_OFFLINE=1 make course` does it: that variable alone, and no image is fetched."""
    for name in surroundings.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NOCHAT_OFFLINE", "1")
    execution.make_images()
    execute(Path(__file__).parents[2] / "notebooks" / "06_containers.ipynb", with_engine=True)
