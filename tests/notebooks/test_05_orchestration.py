from pathlib import Path

import pytest

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(900)]


def test_notebook(execute, image):
    execute(Path(__file__).parents[2] / "notebooks" / "05_orchestration.ipynb", with_engine=True)
