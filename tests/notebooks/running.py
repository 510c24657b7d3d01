"""A notebook runs, shows no password, and leaves nothing behind; tests may use what it made."""

import os
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_core.utils import ensure_event_loop

from nochat.lab.course.execution import Result, explain, is_good, run
from nochat.local.processes import until

MARK = "COURSE_TEST"  # a variable that all inherit which is started during a test
PASSWORD = re.compile(r"\w+://[^\s/:@\"'\\]+:(?!\*|…|\\u2026)[^\s/:@\"'\\]+@")
# Whoever reads the site would be led to their own computer, where nothing is.
ASTRAY = re.compile(r"""href=\\?["']https?://(?:127\.|localhost|\[::1\])""")
SECONDS_TO_GO = 5.0
ENGINE_SECONDS = 20.0  # in which a Docker Engine of its own ends in order


def started(mark: str) -> list[psutil.Process]:
    """The processes that bear a mark.

    Being a child is none: what the kernel leaves behind has another parent by then.
    """
    return [process for process in psutil.process_iter() if _mark_of(process) == mark]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:
        return None


def left(mark: str, seconds: float = SECONDS_TO_GO) -> list[str]:
    """What has not ended by itself in some seconds."""
    until(lambda: not started(mark), seconds)
    return [" ".join(process.cmdline()) for process in started(mark) if process.is_running()]


def judge(result: Result) -> None:
    """Let the test fail with the notebook, or if it shows a password, or leads astray."""
    if result.outcome == "unable" and is_good(result):
        pytest.skip(result.reason)
    assert is_good(result), explain(result)
    text = result.copy.read_text()
    assert (PASSWORD.findall(text), ASTRAY.findall(text)) == ([], [])


class Paused:
    """A run of a notebook that waits for `go_on`, and lets others use what it has made.

    What it starts bears the mark that is in the environment.

    Args:
        path: the notebook.
        heading: no cell under it is run before.
        out: folder of the executed copy.
        parameters: of the notebook.
    """

    def __init__(
        self, path: Path, heading: str, out: Path, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self.mark = os.environ.get(MARK, "")
        self._heading, self._there, self._on = heading, threading.Event(), threading.Event()
        pool = ThreadPoolExecutor(1)
        self._run = pool.submit(self._execute, path, out, parameters)
        self._run.add_done_callback(lambda _: self._there.set())
        pool.shutdown(wait=False)
        try:
            self._there.wait()
        except BaseException:  # it took too long: nobody waits for its machines to be used
            self._on.set()
            raise
        if self._run.done():
            judge(self._run.result())
            raise AssertionError(f"{path.stem} has no heading {heading!r}")

    def _execute(self, path: Path, out: Path, parameters: Mapping[str, Any] | None) -> Result:
        try:
            return run(path, out, parameters, progress=self._begins)
        finally:
            ensure_event_loop().close()  # Jupyter makes one for each thread, and closes none

    def _begins(self, line: str) -> None:
        print(line)
        if line.endswith(self._heading):
            self._there.set()
            self._on.wait()

    def go_on(self) -> Result:
        """Run the rest; return what came of it all."""
        self._on.set()
        return self._run.result()
