"""What the tests of exercises share: a student's file of its own."""

import pytest

from nochat.lab.exercise import record


@pytest.fixture(autouse=True)
def _own_record(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "exercises.jsonl"))
