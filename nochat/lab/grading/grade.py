"""`nochat grade`: the submissions of a folder, judged side by side."""

import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nochat.lab.course.execution import NOTEBOOKS
from nochat.lab.course.notebook import missing, needs, read
from nochat.lab.errors import CourseError
from nochat.lab.folders import find_root
from nochat.lab.grading import machine, sandbox, submissions
from nochat.lab.grading.flags import flags
from nochat.lab.grading.plan import Plan, answered, needed, plan
from nochat.lab.grading.results import Graded, Judged, write
from nochat.lab.grading.runs import Limits, Run
from nochat.lab.grading.submissions import Submission

# What runs in a sandbox; other needs are those of notebooks that make machines and containers.
INSIDE = {"rabbitmq-server", "mariadbd", "mongod", "node", "amqplib"}
STARVED = 0.5  # of its time: a run that had less of a core was held up by others

Say = Callable[[str], None]


@dataclass(frozen=True)
class Exam:
    """A notebook that can be graded.

    Attributes:
        name: the master's name.
        plan: its parts.
        limits: the limits of each submission.
        whole: whether all its cells must run, not only those that answers and checks need.
        in_machine: whether it runs in a throw-away machine, not in a sandbox.
    """

    name: str
    plan: Plan
    limits: Limits
    whole: bool = False
    in_machine: bool = False

    def run(self, answers: Mapping[str, str], cores: Sequence[int]) -> Run:
        """Run answers to it."""
        run = machine.run if self.in_machine else sandbox.run
        return run(task(self, answers), self.limits, cores)


class _Slots:
    """Sandboxes that run side by side, each with cores of its own."""

    def __init__(self, jobs: int) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._free: queue.Queue[Sequence[int]] = queue.Queue()
        for number in range(jobs):
            self._free.put(cores[number::jobs] or cores)

    @contextmanager
    def one(self) -> Iterator[Sequence[int]]:
        """Lend the cores of a slot."""
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)


def grade(
    folder: Path,
    out: Path,
    masters: Path | None = None,
    *,
    jobs: int = 0,
    limits: Limits | None = None,
    seconds: float = 0,
    say: Say = print,
) -> list[Graded]:
    """Judge all submissions of a folder, and write the results.

    Args:
        folder: it holds STUDENT/NOTEBOOK.ipynb or STUDENT_NOTEBOOK.ipynb.
        out: the folder of the results.
        masters: the folder of the masters; the course's if None.
        jobs: submissions at a time; if 0, as many as there are cores, and one in machines.
        limits: limits of each; the usual ones if None, which are wider in a machine.
        seconds: that each may take; as `limits` say if 0.
        say: gets lines on the progress.

    Raises:
        CourseError: nothing can be graded; the message says why.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is not a folder")
    masters = masters or find_root() / NOTEBOOKS
    paths = {path.stem: path for path in sorted(masters.glob("*.ipynb"))}
    found = submissions.find(folder, {name: read(path) for name, path in paths.items()})
    if not found:
        raise CourseError(f"{folder} holds no submissions: STUDENT/NOTEBOOK.ipynb")
    wanted = sorted({it.notebook for it in found if it.notebook and not it.problem})
    in_machines = {name for name in wanted if set(needs(paths[name])) - INSIDE}
    jobs = jobs or (1 if in_machines else len(os.sched_getaffinity(0)))
    slots = _Slots(jobs)
    exams: dict[str, Exam | str] = {}
    for name in wanted:
        limited = limits or (machine.LIMITS if name in in_machines else Limits())
        limited = replace(limited, seconds=seconds or limited.seconds)
        exams[name] = _exam(paths[name], limited, slots, say, in_machine=name in in_machines)
    results = _all(found, exams, jobs, slots, say)
    write(results, out)
    say(f"{out / 'grades.csv'}, {out / 'junit.xml'}, and a results.json for each")
    return results


def _exam(path: Path, limits: Limits, slots: _Slots, say: Say, *, in_machine: bool) -> Exam | str:
    """Prove a master by its own solutions; return the exam, or why there is none."""
    if reason := machine.available(path) if in_machine else sandbox.available() or missing(path):
        return f"{path.stem} can't run here: {reason}"
    try:
        parts = plan(read(path))
    except CourseError as error:
        return f"{path.stem}: {error}"
    if not parts.titles:
        return f"{path.stem} has no exercises"
    failed: list[Judged] = []
    for whole in (True,) if in_machine else (False, True):
        exam = Exam(path.stem, parts, limits, whole, in_machine)
        with slots.one() as cores:
            came = exam.run(parts.solutions, cores)
        failed = [test for test in judged(exam, came) if not test.passed]
        if not failed:
            cells = "all cells" if whole else "the cells that its exercises need"
            say(f"{path.stem}: our own solutions pass ({came.seconds:.1f} s, {cells})")
            return exam
    said = "; ".join(f"{test.name}: {test.output}" for test in failed)
    return f"{path.stem} is not graded, since our own solutions fail: {said}"


def _all(
    found: Sequence[Submission],
    exams: Mapping[str, Exam | str],
    jobs: int,
    slots: _Slots,
    say: Say,
) -> list[Graded]:
    results: dict[int, Graded] = {}
    again: list[int] = []

    def judge(index: int) -> tuple[Graded, bool]:
        submission = found[index]
        exam = exams.get(submission.notebook, "")
        if submission.problem or isinstance(exam, str):
            problem = submission.problem or str(exam)
            name = submission.notebook or submission.path.name
            return Graded(submission.student, name, problem=problem), False
        with slots.one() as cores:
            came = exam.run(submission.answers, cores)
        return _graded(submission, exam, came), is_starved(came)

    def note(index: int, graded: Graded) -> None:
        results[index] = graded
        said = graded.problem or f"{graded.score} of {len(graded.tests)}"
        where = f"{graded.student}/{graded.notebook}"
        say(f"{len(results):3} of {len(found)}  {where}  {said}  {graded.seconds:.1f} s")

    with ThreadPoolExecutor(jobs) as pool:
        waiting: dict[Future[tuple[Graded, bool]], int] = {
            pool.submit(judge, index): index for index in range(len(found))
        }
        for future in as_completed(waiting):
            graded, starved = future.result()
            if starved and jobs > 1:
                again.append(waiting[future])
            else:
                note(waiting[future], graded)
    for index in again:  # alone, as something beside it may have held it up
        note(index, judge(index)[0])
    return [results[index] for index in range(len(found))]


def is_starved(came: Run) -> bool:
    """Return whether a run that took too long had too little of a core to blame it alone."""
    return bool(came.stopped or came.late) and came.cpu_seconds < STARVED * came.seconds


def task(exam: Exam, answers: Mapping[str, str]) -> dict[str, Any]:
    """Return the proctor's task for answers."""
    steps = answered(exam.plan, answers)
    steps = steps if exam.whole else needed(steps)
    hidden = {
        # In a machine, the notebook itself looks: there is no copy of the answer elsewhere.
        key: f"answer = {exam.plan.answers[key]}\n{source}" if exam.in_machine else source
        for key, source in exam.plan.hidden.items()
    }
    return {
        "steps": [[step.kind, step.key, step.source] for step in steps],
        "keys": list(exam.plan.titles),
        "declared": list(exam.plan.declared),
        "hidden": hidden,
        "in_machine": exam.in_machine,
    }


def judged(exam: Exam, came: Run) -> list[Judged]:
    """Return the results of all checks, of what a sandbox reported and of what it did not."""
    verdicts = {report["verdict"]: report for report in came.reports if "verdict" in report}
    further = {report["hidden"]: report for report in came.reports if "hidden" in report}
    stuck = next((str(report["stuck"]) for report in came.reports if "stuck" in report), "")
    without = {"passed": False, "said": came.stopped or stuck or "It was not judged."}
    made = []
    for key, title in exam.plan.titles.items():
        verdict = verdicts.get(key, without)
        passed, said = bool(verdict["passed"]), str(verdict["said"] or "")
        if verdict.get("beside") and not exam.in_machine and key not in exam.plan.trusting:
            said = f"{said} It can't be sent to the judge, and was judged in the notebook alone."
            made.append(Judged(key, title, False, said.strip()))
            continue
        made.append(Judged(key, title, passed, said or ("" if passed else str(without["said"]))))
        if key in exam.plan.hidden:
            again = further.get(key, without)
            said = "" if again["passed"] else str(again["said"])
            made.append(
                Judged(key, f"{title} (hidden)", passed and bool(again["passed"]), said, True)
            )
    return made


def _graded(submission: Submission, exam: Exam, came: Run) -> Graded:
    look = flags(submission.answers)
    beside = [report["verdict"] for report in came.reports if report.get("beside")]
    look += [f"{key} was judged in the notebook" for key in beside]
    lost = [key for key in exam.plan.titles if key not in submission.answers]
    problem = " ".join(filter(None, [came.stopped, _lost(lost)]))
    return Graded(submission.student, exam.name, judged(exam, came), came.seconds, problem, look)


def _lost(keys: Sequence[str]) -> str:
    return f"There is no cell for {', '.join(keys)}." if keys else ""
