from pathlib import Path

import pytest

from tests.conftest import box

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(1200)]

ENGINE_SECONDS = 20  # in which a Docker Engine of its own ends in order


def test_notebook(execute, image, images_of_debian):
    box("python")
    execute(Path(__file__).parents[2] / "notebooks" / "06_containers.ipynb", ENGINE_SECONDS)
