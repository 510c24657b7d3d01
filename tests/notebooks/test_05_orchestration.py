from pathlib import Path

import pytest

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(900)]

ENGINE_SECONDS = 20  # in which a Docker Engine of its own ends in order


def test_notebook(execute, image):
    execute(Path(__file__).parents[2] / "notebooks" / "05_orchestration.ipynb", ENGINE_SECONDS)
