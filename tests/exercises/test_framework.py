"""Attempts are kept, in a file of the student's own, and told of."""

import pika
import pytest

from nochat.lab import exercise, waiting
from nochat.lab.exercise import catalogue, record
from nochat.lab.exercise.catalogue import Exercise, Mistake
from nochat.lab.exercise.checking import Verdict
from nochat.lab.exercise.plays import as_root


@pytest.fixture
def doubling(monkeypatch):
    """An exercise whose answer is a function that doubles."""
    monkeypatch.setattr(catalogue, "_EXERCISES", {})
    monkeypatch.setattr(catalogue, "MODULES", {})

    @catalogue.exercise(
        "09a",
        "double a number",
        untouched="Nothing came back.",
        same="{given} came back as {got}. What is twice {given}?",
        failed="Your answer ended with an error: {error}",
    )
    async def doubled(answer, *, given=3):
        with catalogue.told("failed"):
            got = answer(given)
        if got is None:
            raise Mistake("untouched")
        if got != 2 * given:
            raise Mistake("same", given=given, got=got)


async def test_a_right_answer_passes_and_is_noted(doubling):
    verdict = await exercise.check("09a", lambda number: number + number)
    assert verdict.passed
    assert repr(verdict) == "✓ 09a · double a number"
    (attempt,) = record.attempts()
    assert (attempt.key, attempt.passed, attempt.mistake) == ("09a", True, "")


async def test_a_mistake_is_told_with_what_was_seen(doubling):
    verdict = await exercise.check("09a", lambda number: number, given=4)
    assert not verdict.passed
    assert repr(verdict) == "✗ 09a · double a number\n  4 came back as 4. What is twice 4?"
    assert [attempt.mistake for attempt in record.attempts()] == ["same"]


async def test_an_error_of_the_answer_is_a_mistake_and_no_error_of_the_notebook(doubling):
    verdict = await exercise.check("09a", lambda number: number / 0)
    assert verdict.mistake == "failed"
    assert "ZeroDivisionError" in verdict.said


async def test_what_an_answer_prints_into_html_is_no_html(doubling):
    verdict = await exercise.check("09a", lambda number: "<script>")
    assert "<script>" not in verdict._repr_html_()


async def test_a_cell_shows_code_in_a_sentence_as_code(doubling):
    verdict = await exercise.check("09a", lambda number: "`<b>`")
    assert "came back as <code>&lt;b&gt;</code>." in verdict._repr_html_()


async def test_an_exercise_that_is_not_there_is_told_with_those_that_are(doubling):
    with pytest.raises(ValueError, match="'09b'; there are: 09a"):
        await exercise.check("09b")


async def test_progress_counts_attempts_and_names_the_last_mistake_until_it_is_done(doubling):
    await exercise.check("09a", lambda number: None)
    await exercise.check("09a", lambda number: number)
    assert exercise.progress("09").rows == [["09a", "double a number", "", "2", "same"]]
    await exercise.check("09a", lambda number: 2 * number)
    assert exercise.progress().rows == [["09a", "double a number", "✓", "3", ""]]
    assert exercise.progress("08").rows == []


def test_surprises_are_counted():
    assert exercise.guess("09-1", {"a"}, {"a"}) == "You guessed it: {'a'}."
    assert exercise.guess("09-2", 3, 4) == "A surprise: 4, not 3."
    assert "Guesses: 2, surprises: 1" in repr(exercise.progress("09"))


def test_a_guess_that_is_run_again_counts_once_as_it_was_first():
    for guessed in (3, 4, 4):
        exercise.guess("09-1", guessed, 4)
    assert "Guesses: 1, surprises: 1" in repr(exercise.progress("09"))


@pytest.mark.parametrize(
    ("guessed", "answer"),
    [
        (["web", "users"], {"users", "web"}),
        ("users, web", {"users", "web"}),
        ("bob", {"bob"}),
        ({"controller"}, "controller"),
        ("Controller ", "controller"),
        ("3", 3),
        (3.0, 3),
        ("true", True),
        ([True, False], (True, False)),
        ({"news": ["b", "a"], "sport": []}, {"news": ["a", "b"], "sport": []}),
    ],
)
def test_a_right_guess_is_right_however_it_is_written(guessed, answer):
    assert exercise.guess("09-1", guessed, answer) == f"You guessed it: {answer!r}."


@pytest.mark.parametrize(
    ("guessed", "answer"), [("3", 4), (False, True), ({"web"}, {"web", "bot"})]
)
def test_a_wrong_guess_is_a_surprise(guessed, answer):
    assert exercise.guess("09-1", guessed, answer).startswith(f"A surprise: {answer!r}, not ")


def test_a_number_from_a_header_of_pika_s_is_shown_as_any_other():
    assert exercise.guess("09-1", "1", pika.compat.long(1)) == "You guessed it: 1."


def test_a_cell_shows_the_sentence_without_quotes():
    assert repr(exercise.guess("09-1", 1, 2)) == "A surprise: 2, not 1."


def test_who_does_not_guess_is_told_the_answer_and_nothing_is_noted():
    assert "It was 4." in exercise.guess("09-1", ..., 4)
    assert record.attempts() == []


def test_an_error_of_several_lines_keeps_its_columns():
    said = "Ansible ended with an error: no `-`\n7   tasks: []\n8     - name\n      ^ column 5"
    verdict = Verdict(Exercise("09a", "double a number", None, {}), False, "failed", said, 1)
    shown = verdict._repr_html_()
    assert "error: no <code>-</code><pre>7   tasks: []\n8     - name\n      ^ column 5" in shown


def test_a_line_that_was_cut_off_loses_no_other():
    record.add(record.Attempt("09a", True))
    with record._path().open("a") as file:
        file.write('{"key": "09')
        file.write("\n")
    record.add(record.Attempt("09b", False, "same"))
    assert [attempt.key for attempt in record.attempts()] == ["09a", "09b"]


def test_a_notice_of_a_wait_does_not_show_what_the_judge_types(capsys, monkeypatch):
    """On a machine that is slow it did, and told which faults had been drawn."""

    class Machine:
        def ssh(self, name, command, *, what=""):
            with waiting.blocking(f"{what or command} on {name}"):
                return command

    monkeypatch.setattr(waiting, "SILENT", 0.0)
    monkeypatch.setattr(waiting.Notice, "end", waiting.Notice.look)
    assert "mask mariadb" in as_root(Machine(), "here", "systemctl mask mariadb")
    said = capsys.readouterr().out
    assert "waiting for the exercise on here" in said
    assert "mask" not in said
