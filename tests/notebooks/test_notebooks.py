"""Every notebook runs; those that make machines have a file of their own, to run side by side.

Those of 04 and 05 are used by tests/machines/test_lxc.py and test_docker.py, too.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
NOTEBOOKS = sorted((HERE.parents[1] / "notebooks").glob("*.ipynb"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    "path",
    [notebook for notebook in NOTEBOOKS if notebook.stem < "04"],
    ids=lambda path: path.stem,
)
def test_notebook(path, execute):
    execute(path)
