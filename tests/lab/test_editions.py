"""The student's and the teacher's edition, each from the same master."""

import re
import subprocess

import nbformat
import pytest

from nochat.lab.course import editions, notebook, tags
from nochat.lab.errors import CourseError
from tests.conftest import ROOT

MASTER = ROOT / "tests" / "grading" / "masters" / "99_doubling.ipynb"
MASTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ANSWERS = ("return 2 * number", "number + number", "solved", "It begins with")

pytestmark = pytest.mark.timeout(120)


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def run(path, out):
    """Execute an edition; return for each exercise True, or what was said."""
    result = notebook.run(path, out)
    assert result.outcome == "passed", result.failure
    checks = tags.by_key(notebook.read(result.copy).cells, tags.CHECK)
    said = {key: verdict(cell) for key, cell in checks.items()}
    return {key: text.startswith("✓") or text for key, text in said.items()}


def verdict(cell):
    """The cell's result; on a busy machine, notices of what it waits for stand beside it."""
    [result] = [it for it in cell.outputs if it.output_type == "execute_result"]
    return result["data"]["text/plain"]


def test_a_student_gets_tasks_and_hints_but_no_answer(tmp_path):
    [path] = editions.write("student", tmp_path, [MASTER])
    text = "\n".join(sources(path))
    assert [answer for answer in ANSWERS if answer in text] == []
    assert "def double(number): ..." in text
    assert "A list has brackets." in text
    assert text.count(editions.EMPTIED) == 3


def test_a_student_gets_neither_hidden_checks_nor_notes_of_the_teacher(tmp_path):
    [path] = editions.write("student", tmp_path, [MASTER])
    text = path.read_text()
    assert "Negative numbers" not in text
    assert "Ask the class" not in text


@pytest.mark.slow
def test_a_teachers_edition_runs_and_passes_every_check(tmp_path):
    [path] = editions.write("teacher", tmp_path / "teacher", [MASTER])
    assert "Ask the class what twice nothing is." in sources(path)
    assert run(path, tmp_path) == {"99a": True, "99b": True}


@pytest.mark.slow
def test_an_untouched_students_edition_runs_and_passes_no_check(tmp_path):
    [path] = editions.write("student", tmp_path / "student", [MASTER])
    assert all(text.startswith("✗") for text in run(path, tmp_path).values())


def test_a_teacher_sees_what_took_long_in_the_last_run(tmp_path):
    executed = notebook.run(MASTER, tmp_path).copy
    made = editions.teacher(notebook.read(MASTER), notebook.read(executed), "Bring coffee.")
    notes, timings = made.cells[1:3]
    assert notes.source.endswith("Bring coffee.")
    assert re.search(r"\| Doubling \| \d+\.\d \|", timings.source)


def test_notes_on_a_notebook_come_from_the_page_for_instructors():
    page = "# Notes\n\n## 00 Start (1 minute)\n\nSee {doc}`this`.\n\n## Notebook 02: broker\n\nBet."
    assert editions.notes_on("00_start", page) == "See `this`."
    assert editions.notes_on("02_broker", page) == "Bet."
    assert editions.notes_on("03_stores", page) == ""


@pytest.mark.parametrize("kind", [tags.EXERCISE, tags.SOLUTION])
def test_a_master_with_a_key_twice_is_refused(kind):
    master = notebook.read(MASTER)
    master.cells.append(tags.by_key(master.cells, kind)["99a"])
    with pytest.raises(CourseError, match="99a"):
        editions.teacher(master)


def test_an_exercise_without_a_solution_is_refused():
    master = notebook.read(MASTER)
    master.cells.remove(tags.by_key(master.cells, tags.SOLUTION)["99b"])
    with pytest.raises(CourseError, match="99b"):
        editions.teacher(master)


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["student", "teacher"])
def test_make_writes_an_edition_of_every_notebook(edition):
    command = ["make", "-o", ".venv/.ready", edition]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    made = ROOT / "build" / edition
    assert [path.name for path in sorted(made.glob("*.ipynb"))] == [it.name for it in MASTERS]
    for path in made.glob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_no_student_reads_a_solution_of_the_course(path):
    made = editions.student(notebook.read(path))
    solutions = tags.by_key(notebook.read(path).cells, tags.SOLUTION).values()
    text = "\n".join(cell.source for cell in made.cells)
    assert [tags.solution(cell) for cell in solutions if tags.solution(cell) in text] == []
    assert not re.search(r"<summary>\s*Solution", text)


@pytest.mark.slow
def test_the_teachers_first_notebook_runs_and_passes(tmp_path):
    [path] = editions.write("teacher", tmp_path / "teacher", MASTERS[:1])
    passed = run(path, tmp_path)
    assert passed == dict.fromkeys(passed, True)
