from pathlib import Path

import pytest

from tests.cgroups import mount_controllers
from tests.conftest import box

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_notebook(execute, image, images_of_debian):
    box("python")
    mount_controllers()
    execute(Path(__file__).parents[2] / "notebooks" / "06_containers.ipynb", with_engine=True)
