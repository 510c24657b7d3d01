"""FailedLogIns log-ins in the log of accounts: bounded, and counted where they are left out."""

from nochat.services.controller.failed_log_ins import FailedLogIns


def test_endless_attempts_are_logged_now_and_then_with_their_number():
    now = 0.0
    refused = FailedLogIns(lambda: now)
    told = [refused.note("ana") for _ in range(100)]
    assert told == [0] * 10 + [None] * 90
    assert refused.note("bob") == 0
    now = 61.0
    assert refused.note("ana") == 90
    assert refused.note("ana") is None


def test_attempts_at_all_names_do_not_fill_the_memory():
    now = 0.0
    refused = FailedLogIns(lambda: now)
    for second in range(3600):
        now = float(second)
        told = [refused.note(f"u{second}-{number}") for number in range(20)]
        if second == 0:
            assert told == [0] * 20
    count = sum(refused.note(f"v{number}") is not None for number in range(1000))
    assert count <= 1
