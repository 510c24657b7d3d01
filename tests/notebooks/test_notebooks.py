"""Every notebook runs, shows no password, and leaves nothing behind."""

import re
import time
import uuid
from pathlib import Path

import psutil
import pytest

from nochat.lab.course import explain, is_good, run

NOTEBOOKS = [
    pytest.param(
        path, id=path.stem, marks=[pytest.mark.machines] * ('"vagrant"' in path.read_text())
    )
    for path in sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
]
PASSWORD = re.compile(r"\w+://[^\s/:@\"'\\]+:(?!\*|…|\\u2026)[^\s/:@\"'\\]+@")
SECONDS_TO_GO = 5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def started(monkeypatch):
    """What was started during the test is known by a variable that it inherited.

    Being a child is no mark: what the kernel leaves behind has another parent by then.
    """
    mark = uuid.uuid4().hex
    monkeypatch.setenv("COURSE_TEST", mark)
    return lambda: [process for process in psutil.process_iter() if mark_of(process) == mark]


def mark_of(process):
    try:
        return process.environ().get("COURSE_TEST")
    except psutil.Error:
        return None


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_notebook(path, tmp_path, started, request):
    if '"vagrant"' in path.read_text():
        request.getfixturevalue("image")
    result = run(path, tmp_path, progress=print)
    if result.outcome == "unable" and is_good(result):
        pytest.skip(result.reason)
    assert is_good(result), explain(result)
    assert PASSWORD.findall(result.copy.read_text()) == []
    assert left_after(SECONDS_TO_GO, started) == []


def left_after(seconds, started):
    deadline = time.monotonic() + seconds
    while (left := started()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [" ".join(process.cmdline()) for process in left if process.is_running()]
