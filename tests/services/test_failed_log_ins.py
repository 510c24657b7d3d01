"""Refused log-ins in the log of accounts: bounded, and counted where they are left out."""

from nochat.services.controller.failed_log_ins import Refused


def test_who_tries_without_end_is_told_of_now_and_then_with_how_often_it_was():
    now = 0.0
    refused = Refused(lambda: now)
    told = [refused.note("ana") for _ in range(100)]
    assert told == [0] * 10 + [None] * 90
    assert refused.note("bob") == 0
    now = 61.0
    assert refused.note("ana") == 90
    assert refused.note("ana") is None


def test_whoever_tries_all_names_fills_nothing():
    now = 0.0
    refused = Refused(lambda: now)
    for second in range(3600):
        now = float(second)
        told = [refused.note(f"u{second}-{number}") for number in range(20)]
        if second == 0:
            assert told == [0] * 20
    count = sum(refused.note(f"v{number}") is not None for number in range(1000))
    assert count <= 1
