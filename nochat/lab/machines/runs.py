"""Outcomes of provisioning, which `provision` returns: to show and to compare."""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nochat.lab.errors import LabError
from nochat.local.tables import as_html, as_text


@dataclass(frozen=True)
class Task:
    """The outcome of a task on a host.

    Attributes:
        host: the host's name.
        name: the task's name.
        result: `ok`, `changed`, `skipped`, `ignored`, `failed` or `unreachable`.
        seconds: the duration.
        message: the reason of a failure.
        diff: the change of a file, unless it is secret.
    """

    host: str
    name: str
    result: str
    seconds: float
    message: str = ""
    diff: str = ""


@dataclass(frozen=True, repr=False)
class Run:
    """The outcome of provisioning.

    Attributes:
        tool: `Ansible` or `Rex`.
        what: the playbook, or the Rexfile's task.
        seconds: the duration.
        lines: lines of the files with its tasks, without blank lines and comments.
        tasks: the tasks in order, one for each host.
    """

    tool: str
    what: str
    seconds: float
    lines: int
    tasks: tuple[Task, ...]

    @property
    def changed(self) -> list[Task]:
        """The tasks that changed something."""
        return [task for task in self.tasks if task.result == "changed"]

    @property
    def diff(self) -> str:
        """The differences in files."""
        return "\n".join(task.diff for task in self.tasks if task.diff)

    @property
    def slowest(self) -> list[Task]:
        """The ten tasks that took longest."""
        return sorted(self.tasks, key=lambda task: -task.seconds)[:10]

    def __repr__(self) -> str:
        slow = (f"  {task.seconds:6.1f} s  {task.host}  {task.name}" for task in self.slowest[:5])
        return "\n".join([self._summary(), *slow])

    def _repr_html_(self) -> str:
        tasks = [task for task in self.tasks if task.result != "skipped"]
        rows = [[task.host, task.name, task.result, f"{task.seconds:.1f}"] for task in tasks]
        table = as_html(["Host", "Task", "Result", "Seconds"], rows)
        return f"<details><summary>{html.escape(self._summary())}</summary>{table}</details>"

    def _summary(self) -> str:
        counts = Counter(task.result for task in self.tasks)
        results = ", ".join(f"{count} {result}" for result, count in counts.items())
        return f"{self.tool}, {self.what}: {self.seconds:.1f} s; {results or 'nothing changed'}"


class RunFailed(LabError, RuntimeError):
    """Provisioning failed; the message names the host, the task and the reason.

    Attributes:
        host: the host; empty if no task ran.
        task: the task; empty if no task ran.
        run: the run up to the failure.
    """

    def __init__(self, reason: str, run: Run, task: Task | None = None) -> None:
        super().__init__(reason)
        self.run, self.host, self.task = run, task.host if task else "", task.name if task else ""


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison of runs, side by side."""

    runs: Sequence[Run]

    def __repr__(self) -> str:
        return as_text([self._heads, *self._rows()])

    def _repr_html_(self) -> str:
        return as_html(self._heads, self._rows())

    _heads = ("Tool", "What", "Lines", "Seconds", "Changed")

    def _rows(self) -> list[list[str]]:
        return [
            [run.tool, run.what, str(run.lines), f"{run.seconds:.1f}", str(len(run.changed))]
            for run in self.runs
        ]


def compare(*runs: Run) -> Comparison:
    """Compare runs side by side: tool, lines of code, seconds, and number of changes."""
    return Comparison(runs)


def count_lines(source: Path) -> int:
    """Count the lines of a file, without blank ones and comments."""
    lines = (line.strip() for line in source.read_text(encoding="utf-8").splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))
