"""A test whose server is not installed: skipped on a developer's machine, failed in CI."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

NEEDS_IT = """
import pytest
from nochat.local.doctor import Missing

@pytest.fixture
def server():
    raise Missing("it is not on this machine")

def test_by_a_fixture(server):
    pass

def test_by_itself():
    raise Missing("it is not on this machine")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("required", "summary"), [("0", "2 skipped"), ("1", "1 failed, 1 error")], ids=["at home", "CI"]
)
def test_what_is_missing_fails_where_everything_is_required(tmp_path, required, summary):
    (tmp_path / "test_it.py").write_text(NEEDS_IT)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env=os.environ | {"NOCHAT_REQUIRE_ALL": required, "PYTEST_ADDOPTS": "-p no:cacheprovider"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert summary in ran.stdout, ran.stdout
