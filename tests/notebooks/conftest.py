"""What tests of notebooks share."""

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from nochat.lab.course.execution import run
from nochat.lab.exercise import record

from . import running
from .running import ENGINE_SECONDS, MARK, SECONDS_TO_GO, judge


@pytest.fixture(autouse=True)
def _own_record(tmp_path_factory, monkeypatch):
    """Attempts at exercises go to a file of their own."""
    folder = tmp_path_factory.mktemp("record")
    monkeypatch.setenv(record.VARIABLE, str(folder / "exercises.jsonl"))


@pytest.fixture
def mark(monkeypatch) -> str:
    """Marks what is started during the test."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    return mark


@pytest.fixture
def started(mark) -> Callable[[], list[psutil.Process]]:
    return partial(running.started, mark)


@pytest.fixture
def left(mark) -> Callable[..., list[str]]:
    return partial(running.left, mark)


@pytest.fixture
def execute(tmp_path, left) -> Callable[..., None]:
    def execute(
        path: Path, parameters: dict[str, str] | None = None, *, with_engine: bool = False
    ) -> None:
        judge(run(path, tmp_path, parameters or {}, progress=print))
        assert left(ENGINE_SECONDS if with_engine else SECONDS_TO_GO) == []

    return execute
