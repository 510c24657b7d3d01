"""Hostile submissions cost nobody but themselves: all are graded in one run."""

import csv
import json
import socket
import time

import psutil
import pytest

from nochat.lab.grading.grade import grade
from nochat.lab.grading.runs import MIB, Limits
from nochat.local import doctor
from nochat.local.processes import until
from tests.grading import hostile
from tests.grading.conftest import MASTERS, NAME
from tests.grading.right import DOUBLE, WORDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROCTOR = "nochat.lab.grading.proctor"
RIGHT = {"99a": DOUBLE, "99b": WORDS}
LIMITS = Limits(
    seconds=90,
    cpu_seconds=60,
    memory=600 * MIB,
    processes=100,
    disk=40 * MIB,
    answer_seconds=8,
    check_seconds=10,
)


@pytest.fixture(scope="module")
def results(hand_in, tmp_path_factory):
    doctor.require("bubblewrap")
    with socket.create_server(("127.0.0.1", 0)) as server:
        folder = hand_in(
            curious=hostile.curious(
                server.getsockname()[1], "/root", "/home", "/srv", "/var", str(MASTERS.parent)
            ),
            forges=hostile.FORGES,
            forks=hostile.FORKS,
            greedy=hostile.GREEDY,
            kills=hostile.KILLS,
            loops=hostile.LOOPS,
            never_returns=hostile.NEVER_RETURNS,
            prints=hostile.PRINTS,
            right=RIGHT,
            stubborn=hostile.STUBBORN,
        )
        out = tmp_path_factory.mktemp("results")
        began = time.monotonic()
        grade(folder, out, MASTERS, limits=LIMITS)
        print(f"{time.monotonic() - began:.0f} s")
    with (out / "grades.csv").open() as table:
        rows = {row["student"]: row for row in csv.DictReader(table)}
    tests = {
        path.parts[-3]: json.loads(path.read_text())["tests"]
        for path in out.glob(f"*/{NAME}/results.json")
    }
    return rows, {
        student: {(test["number"], test["visibility"]): test for test in made}
        for student, made in tests.items()
    }


def said(results, student, key):
    return results[1][student][key, "visible"]["output"]


def passed(results, student, key):
    return results[1][student][key, "visible"]["score"] == 1.0


def test_nothing_of_a_sandbox_is_left(results):
    def left():
        return [
            it for it in psutil.process_iter(["cmdline"]) if PROCTOR in (it.info["cmdline"] or [])
        ]

    assert until(lambda: not left(), 60), left()


def test_whoever_is_right_passes_among_them(results):
    assert results[0]["right"]["score"] == "3"


def test_an_endless_loop_is_interrupted_and_the_next_exercise_is_judged(results):
    assert said(results, "loops", "99a") == "It took more than 8 s."
    assert passed(results, "loops", "99b")


def test_a_loop_that_takes_no_interrupt_ends_the_run(results):
    assert said(results, "stubborn", "99a") == (
        "It took more than 8 s. It could not be interrupted."
    )


def test_a_function_that_never_returns_holds_up_its_own_check(results):
    assert said(results, "never_returns", "99a") == "It took more than 10 s."
    assert passed(results, "never_returns", "99b")


def test_a_full_disk_and_all_memory_are_errors_that_python_can_handle(results):
    assert results[0]["greedy"]["score"] == "3", results[0]["greedy"]


def test_a_fork_bomb_ends_with_its_sandbox(results):
    assert results[0]["forks"]["score"] == "0"


def test_a_flood_of_output_is_cut_off(results):
    """Its own process, or the sandbox, may run out of memory before the flood has been noticed."""
    ended = ("The notebook's process ended.", "Nothing was judged.")
    cut_off = ("It printed too much.", "MemoryError", *ended)
    assert said(results, "prints", "99a").startswith(cut_off)


def test_nothing_of_others_can_be_read_reached_or_changed(results):
    assert said(results, "curious", "99b") == "The list is empty."


def test_a_verdict_that_the_notebook_makes_up_does_not_count(results):
    assert results[0]["forges"]["score"] == "0", results[0]["forges"]
    assert "99a uses" in results[0]["forges"]["look"]
    assert "99b was judged in the notebook" in results[0]["forges"]["look"]


def test_a_student_who_kills_everything_has_no_points(results):
    assert results[0]["kills"]["score"] == "0"
    assert said(results, "kills", "99b")
