"""A notebook runs, shows no password, and leaves nothing behind."""

import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nochat.lab.course import explain, is_good, run

PASSWORD = re.compile(r"\w+://[^\s/:@\"'\\]+:(?!\*|…|\\u2026)[^\s/:@\"'\\]+@")
# Whoever reads the site would be led to their own computer, where nothing is.
ASTRAY = re.compile(r"""href=\\?["']https?://(?:127\.|localhost|\[::1\])""")
SECONDS_TO_GO = 5.0
ENGINE_SECONDS = 20.0  # in which a Docker Engine of its own ends in order


@pytest.fixture
def started(monkeypatch) -> Callable[[], list[psutil.Process]]:
    """What was started during the test is known by a variable that it inherited.

    Being a child is no mark: what the kernel leaves behind has another parent by then.
    """
    mark = uuid.uuid4().hex
    monkeypatch.setenv("COURSE_TEST", mark)
    return lambda: [process for process in psutil.process_iter() if mark_of(process) == mark]


def mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("COURSE_TEST")
    except psutil.Error:
        return None


@pytest.fixture
def left(started) -> Callable[..., list[str]]:
    """What has not ended by itself in some seconds."""

    def left(seconds: float = SECONDS_TO_GO) -> list[str]:
        deadline = time.monotonic() + seconds
        while (running := started()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [" ".join(process.cmdline()) for process in running if process.is_running()]

    return left


@pytest.fixture
def execute(tmp_path, left) -> Callable[..., None]:
    def execute(
        path: Path, parameters: dict[str, str] | None = None, *, with_engine: bool = False
    ) -> None:
        result = run(path, tmp_path, parameters or {}, progress=print)
        if result.outcome == "unable" and is_good(result):
            pytest.skip(result.reason)
        assert is_good(result), explain(result)
        text = result.copy.read_text()
        assert (PASSWORD.findall(text), ASTRAY.findall(text)) == ([], [])
        assert left(ENGINE_SECONDS if with_engine else SECONDS_TO_GO) == []

    return execute
