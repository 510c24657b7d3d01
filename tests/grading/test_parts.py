"""What is taken from submissions, what is run, and how results are written."""

import csv
import json
import os
import pickle
import threading
from xml.etree import ElementTree as xml

import nbformat
import pytest

from nochat.cli import main
from nochat.lab.chat import Chat
from nochat.lab.course.notebook import read
from nochat.lab.errors import CourseError
from nochat.lab.exercise import elsewhere
from nochat.lab.grading import submissions
from nochat.lab.grading.flags import flags
from nochat.lab.grading.grade import Exam, grade, is_starved, judged
from nochat.lab.grading.plan import answered, needed, plan
from nochat.lab.grading.results import Graded, Judged, file_name, write
from nochat.lab.grading.runs import Limits, Run
from nochat.lab.grading.sandbox import command
from nochat.lab.people import Person
from nochat.local.processes import start_child, until
from tests.grading.conftest import MASTERS, NAME
from tests.grading.conftest import answered as handed_in
from tests.grading.right import DOUBLE, WORDS


@pytest.fixture(scope="module")
def master():
    return read(MASTERS / f"{NAME}.ipynb")


def find(folder, master):
    found = submissions.find(folder, {NAME: master, "98_other": nbformat.v4.new_notebook()})
    return {submission.student: submission for submission in found}


def test_both_ways_to_name_files_are_found(tmp_path, master):
    text = json.dumps(handed_in({"99a": DOUBLE}))
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / f"{NAME}.ipynb").write_text(text)
    (tmp_path / f"bob_b_{NAME}.ipynb").write_text(text)
    (tmp_path / "cleo_my homework(1).ipynb").write_text(text)  # found by its exercises
    found = find(tmp_path, master)
    assert {it.student for it in found.values()} == {"ana", "bob_b", "cleo_my homework(1)"}
    assert {it.notebook for it in found.values()} == {NAME}
    assert {it.answers["99a"] for it in found.values()} == {DOUBLE}


def test_a_cell_is_found_by_its_id_when_its_tags_are_lost_and_by_its_tags_when_it_was_split(
    tmp_path, master
):
    notebook = handed_in({"99a": "double = None", "99b": WORDS})
    cells = notebook["cells"]
    (first,) = [cell for cell in cells if cell["id"] == "your-99a"]
    (second,) = [cell for cell in cells if cell["id"] == "your-99b"]
    cells.insert(cells.index(first) + 1, {**first, "id": "new", "source": [DOUBLE]})
    second["metadata"] = {}
    (tmp_path / f"ana_{NAME}.ipynb").write_text(json.dumps(notebook))
    answers = find(tmp_path, master)["ana"].answers
    assert answers == {"99a": f"double = None\n{DOUBLE}", "99b": WORDS}


def test_a_wrong_file_gets_a_sentence(tmp_path, master):
    (tmp_path / "ana").mkdir()
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "homework.pdf").touch()
    (tmp_path / f"cleo_{NAME}.ipynb").write_text("{")
    (tmp_path / f"dora_{NAME}.ipynb").write_text("[" * 100_000)
    (tmp_path / f"eve_{NAME}.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "fred_holiday.ipynb").write_text('{"cells": []}')
    (tmp_path / f"gus_{NAME}.ipynb").write_text('{"cells": 7}')
    os.mkfifo(tmp_path / f"hal_{NAME}.ipynb")
    with (tmp_path / f"ian_{NAME}.ipynb").open("wb") as file:
        file.truncate(20_000_000)
    found = find(tmp_path, master)
    problems = {student: submission.problem for student, submission in found.items()}
    assert problems["ana"] == "the folder ana is empty"
    assert problems["bob"] == "homework.pdf does not end in .ipynb"
    assert problems["fred_holiday"].startswith("no notebook fits it")
    assert problems["ian"].endswith("has more than 10 MB")
    for student in ("cleo", "dora", "eve", "gus", "hal"):
        assert problems[student] == f"{student}_{NAME}.ipynb is not a notebook"


def test_only_what_answers_and_checks_need_is_run(master):
    steps = answered(plan(master), {"99a": DOUBLE})
    sources = [step.source for step in needed(steps)]
    assert DOUBLE in sources
    assert "number = 21" in sources
    assert not any("lesson" in source for source in sources)
    steps = answered(plan(master), {"99a": "def double(number): return lesson and 2 * number"})
    assert any("lesson = " in step.source for step in needed(steps))


def test_no_hidden_check_is_a_step(master):
    parts = plan(master)
    assert parts.hidden.keys() == {"99a"}
    assert not any("Negative" in step.source for step in parts.steps)


def test_a_verdict_of_the_notebook_itself_counts_only_where_its_check_is_tagged(master):
    came = Run([{"verdict": "99b", "passed": True, "said": "", "beside": True}])
    assert [test.passed for test in judged(Exam(NAME, plan(master), Limits()), came)] == [False] * 3
    trusting = read(MASTERS / f"{NAME}.ipynb")
    (cell,) = [cell for cell in trusting.cells if cell.id == "check-99b"]
    cell.metadata.tags.append("in-notebook")
    assert [it.passed for it in judged(Exam(NAME, plan(trusting), Limits()), came)] == [
        False,
        False,
        True,
    ]


def test_a_run_is_repeated_only_if_others_held_it_up():
    assert is_starved(Run(seconds=10, cpu_seconds=2, stopped="It took more than 10 s."))
    assert is_starved(Run(reports=[{"late": True}], seconds=10, cpu_seconds=2))
    assert not is_starved(Run(seconds=10, cpu_seconds=9, stopped="It took more than 10 s."))
    assert not is_starved(Run(seconds=10, cpu_seconds=2))


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        ("import gc", "gc"),
        ("from sys import _getframe", "_getframe"),
        ("exercise.check = None", "exercise.check = …"),
        ("%%file a.py\nopen('/proc/self/mem')", "/proc/"),
        ("class Answer:\n    def __reduce__(self): ...", "__reduce__"),
        ("from nochat.lab.exercise import record", "nochat.lab.exercise"),
    ],
)
def test_an_answer_about_its_judge_is_to_be_looked_at(answer, sign):
    (said,) = flags({"99a": answer})
    assert sign in said


def test_a_plain_answer_is_not():
    assert flags({"99a": DOUBLE, "99b": WORDS, "99c": "def bake(channel, oven): ..."}) == []
    assert flags({"99a": "this is no Python"}) == []


TESTS = [
    Judged("99a", "99a: double a number", True),
    Judged("99a", "99a: double a number (hidden)", False, "Negative\x00 numbers", hidden=True),
]
RESULTS = [
    Graded("ana", NAME, TESTS, 3.21, look=["99a uses gc"]),
    Graded("=cmd()", "../../x", problem="x is not a notebook"),
]


def test_results_are_in_gradescopes_form(tmp_path):
    write(RESULTS, tmp_path)
    result = json.loads((tmp_path / "ana" / NAME / "results.json").read_text())
    assert result["score"] == 1.0
    assert result["execution_time"] == 3
    assert [test["visibility"] for test in result["tests"]] == ["visible", "hidden"]
    assert result["tests"][0] == {
        "name": "99a: double a number",
        "number": "99a",
        "score": 1.0,
        "max_score": 1.0,
        "status": "passed",
        "output": "",
        "output_format": "text",
        "visibility": "visible",
    }


def test_results_are_in_junits_form(tmp_path):
    write(RESULTS, tmp_path)
    root = xml.parse(tmp_path / "junit.xml").getroot()
    assert [suite.get("failures") for suite in root] == ["1", "0"]
    assert [suite.get("errors") for suite in root] == ["0", "1"]
    assert root.find(".//failure").get("message") == "Negative? numbers"


def test_a_table_of_the_class_has_no_formula_and_no_name_leaves_its_folder(tmp_path):
    write(RESULTS, tmp_path / "out")
    with (tmp_path / "out" / "grades.csv").open() as file:
        ana, other = csv.DictReader(file)
    assert (ana["score"], ana["of"], ana["passed"]) == ("1", "2", "99a")
    assert (other["student"], other["said"]) == ("'=cmd()", "x is not a notebook")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert file_name("..") == "_"


def test_a_folder_without_submissions_is_refused(tmp_path):
    command(Limits())  # or bubblewrap is missing
    with pytest.raises(CourseError, match="holds no submissions"):
        grade(tmp_path, tmp_path / "out", MASTERS)
    with pytest.raises(CourseError, match="is not a folder"):
        grade(tmp_path / "none", tmp_path / "out", MASTERS)


def test_what_is_done_by_hand_is_not_graded(master):
    master = read(MASTERS / f"{NAME}.ipynb")
    (cell,) = [cell for cell in master.cells if cell.id == "your-99b"]
    cell.source = "# On the page."
    assert list(plan(master).titles) == ["99a"]


def test_a_process_and_a_function_of_a_notebook_are_sent_to_the_judge(tmp_path):
    with start_child(["sleep", "60"], log=tmp_path / "log") as child:
        (tmp_path / "log").write_text("one\ntwo\n")
        running = Chat(tmp_path, {})
        running.processes["nochat"] = child
        message = elsewhere.packed("99a", lambda: tmp_path, {"chat": running})
        key, _, answer, settings = pickle.loads(message)
        sent = settings["chat"].processes["nochat"]
        assert (key, answer(), sent.pid) == ("99a", tmp_path, child.pid)
        assert (sent.alive, sent.tail(1)) == (True, "two")
        sent.kill()
        assert until(lambda: not sent.alive, 5)


def test_a_person_is_sent_as_nobody_and_a_lock_is_not_sent():
    ana = Person("ana", "http://127.0.0.1:1")
    assert pickle.loads(elsewhere.packed("99a", 1, {"ana": ana}))[-1] == {"ana": None}
    assert elsewhere.packed("99a", threading.Lock(), {}) is None


def test_the_command_says_in_a_sentence_why_it_grades_nothing(tmp_path, capsys):
    assert main(["grade", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"nochat: {tmp_path / 'none'} is not a folder\n"
