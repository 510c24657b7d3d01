"""Checks: one line a condition, what was seen, what to try."""

import pytest

from nochat.lab.checks import check, that, until
from nochat.lab.errors import CheckFailed


def test_a_step_that_is_done_is_a_report():
    report = check("The door", that("it is open", True), that("it has a colour", "red", "red"))
    assert repr(report) == "The door\n  ✓ it is open\n  ✓ it has a colour  (seen: red)"


def test_a_failure_says_what_was_seen_and_what_to_try():
    with pytest.raises(CheckFailed) as caught:
        check("The door", that("it is open", False, "shut", otherwise="turn the key"), that("x", 1))
    assert str(caught.value) == (
        "not yet: The door\n  ✗ it is open  (seen: shut)\n    To do: turn the key\n  ✓ x"
    )


def test_without_advice_of_its_own_the_cells_above_are_it():
    with pytest.raises(CheckFailed, match="To do: run the cells above again, in order"):
        check("The door", that("it is open", []))


def test_in_a_notebook_what_was_seen_is_text():
    shown = check("A <b>", that("it is", True, "<script>"))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "A &lt;b&gt;" in shown


async def test_until_gives_what_the_probe_found_at_last():
    answers = iter([None, 0, "found"])
    assert await until(lambda: next(answers)) == "found"


async def test_until_takes_coroutines():
    async def probe():
        return 42

    assert await until(probe) == 42


async def test_until_gives_up_without_an_error():
    assert await until(lambda: [], timeout=0.01) == []
