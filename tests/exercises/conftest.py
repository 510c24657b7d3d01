"""What the tests of exercises share: a student's file of its own, and a table of what was judged.

`pytest tests/exercises` prints it: how many right answers passed, how many wrong ones failed and
with how many sentences, and the seconds that a judgement took.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from nochat.lab.exercise import record
from nochat.local.tables import as_text

JUDGED = "judged"


@pytest.fixture(autouse=True)
def _own_record(tmp_path, monkeypatch, record_property) -> Iterator[None]:
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "exercises.jsonl"))
    yield
    record_property(JUDGED, [asdict(attempt) for attempt in record.attempts()])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    by_key = defaultdict[str, list[record.Attempt]](list)
    for report in terminalreporter.stats.get("", []):
        for attempt in dict(report.user_properties).get(JUDGED, []):
            if not attempt["guess"]:
                by_key[attempt["key"]].append(record.Attempt(**attempt))
    if by_key:
        terminalreporter.section("exercises")
        terminalreporter.write_line(as_text([HEAD, *map(row, sorted(by_key.items()))]))


HEAD = ("exercise", "right", "seconds", "wrong", "sentences", "seconds")


def row(judged: tuple[str, list[record.Attempt]]) -> tuple[str, ...]:
    key, attempts = judged
    right = [attempt for attempt in attempts if attempt.passed]
    wrong = [attempt for attempt in attempts if not attempt.passed]
    sentences = len({attempt.mistake for attempt in wrong})
    return key, str(len(right)), span(right), str(len(wrong)), str(sentences), span(wrong)


def span(attempts: list[record.Attempt]) -> str:
    """The shortest and the longest of the times."""
    times = [attempt.seconds for attempt in attempts]
    return f"{min(times):.1f} to {max(times):.1f}" if times else ""
