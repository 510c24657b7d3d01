from pathlib import Path

import pytest

from tests.conftest import box
from tests.machines.conftest import needs_root

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(1200), needs_root]


def test_notebook_in_the_stand_in_for_azure(execute, image, images_of_debian, tmp_path):
    """At home, tests/machines/test_final.py does the same."""
    box("python")
    execute(
        Path(__file__).parents[2] / "notebooks" / "07_final_deploy.ipynb",
        {"target": "azure", "key": str(tmp_path / "key")},
        with_engine=True,
    )
