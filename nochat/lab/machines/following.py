"""The progress of a playbook's run, from ansible-runner's events in JSON."""

import difflib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nochat.lab.board import Board
from nochat.lab.machines.runs import Run, RunFailed, Task, count_lines
from nochat.lab.machines.vagrant import ANSI

RESULTS = {
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
BAD = {"failed", "unreachable"}
# Advice for a host that can't be reached, by SSH's message; the first match counts.
UNREACHABLE = (
    ("Permission denied", "it answers, but refuses the key or user: look at them in the inventory"),
    ("Could not resolve", "its name is unknown: look at its address in the inventory"),
    ("escalation prompt", "it answers, but slowly: the computer is busy. Run it once more"),
    ("", "nothing answers there: is the machine up (`farm.status()`), and its address right?"),
)


@dataclass
class Following:
    """The state of a playbook's run, updated event by event."""

    what: str
    tasks: list[Task] = field(default_factory=list)
    diffs: dict[tuple[str, str], str] = field(default_factory=dict)
    sources: set[Path] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    # Taken from the readable output: for a task with secrets, nothing else has it.
    changed: set[tuple[str, str]] = field(default_factory=set)
    ended: bool = False
    began: float = field(default_factory=time.monotonic)

    def hear(self, line: str, board: Board) -> None:
        """Process one event, and show it."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):  # Warnings may quote lines of a file with their numbers.
            self.said.append(ANSI.sub("", line))
            return
        kind, data = event["event"], event.get("event_data", {})
        host, name = data.get("host", ""), data.get("task", "")
        if path := data.get("task_path"):
            self.sources.add(Path(path.rpartition(":")[0]))
        key = host, data.get("task_uuid", "")
        said = ANSI.sub("", event.get("stdout", ""))
        if said.startswith("changed:"):
            self.changed.add(key)
        if kind == "runner_on_start":
            board.say(host, name)
        elif kind == "runner_on_file_diff":
            self.diffs[key] = self.diffs.get(key, "") + _diff(data.get("diff"))
        elif kind in RESULTS:
            self.tasks.append(self._task(kind, data))
        elif kind == "playbook_on_stats":
            self.ended = True
        elif kind in ("verbose", "error", "warning"):
            self.said.append(said)

    def _task(self, kind: str, data: Mapping[str, Any]) -> Task:
        result, answer = RESULTS[kind], data.get("res") or {}
        key = data["host"], data["task_uuid"]
        if result == "ok" and (answer.get("changed") or key in self.changed):
            result = "changed"
        if result == "failed" and data.get("ignore_errors"):
            result = "ignored"
        message = _message(answer) if result in BAD else ""
        seconds, diff = float(data.get("duration", 0)), self.diffs.get(key, "")
        return Task(data["host"], data["task"], result, seconds, message, diff)

    def run(self) -> Run:
        """Return the run so far."""
        seconds = time.monotonic() - self.began
        # Handlers always count, so that a second run has the same number of lines.
        handlers = {source.parents[1] / "handlers" / "main.yml" for source in self.sources}
        lines = sum(count_lines(path) for path in self.sources | handlers if path.exists())
        return Run("Ansible", self.what, seconds, lines, tuple(self.tasks))

    def conclude(self, board: Board) -> None:
        """Show the number of tasks of each host by result."""
        for host in dict.fromkeys(task.host for task in self.tasks):
            counts = Counter(task.result for task in self.tasks if task.host == host)
            board.say(host, ", ".join(f"{count} {result}" for result, count in counts.items()))
        board.say("ansible", f"has run {self.what}")


def checked(run: Run, following: Following) -> Run:
    """Return the run if it was successful.

    Raises:
        RunFailed: a task failed, or nothing ran.
    """
    bad = [task for task in run.tasks if task.result in BAD]
    if bad:
        others = "".join(f"\n{_reason(task)}" for task in bad[1:])
        raise RunFailed(_reason(bad[0]) + others, run, bad[0])
    if not following.ended or not run.tasks:
        said = "\n".join(line for line in following.said if line.strip())
        raise RunFailed(f"{run.what} did not run: {said or 'no host of the inventory fits'}", run)
    return run


def _reason(task: Task) -> str:
    if task.result == "unreachable":
        advice = next(advice for said, advice in UNREACHABLE if said in task.message)
        return f"{task.host} can't be reached at “{task.name}”: {task.message}\nTo do: {advice}"
    return f"{task.host} failed at “{task.name}”: {task.message}"


def _message(answer: Mapping[str, Any]) -> str:
    """Return why a task failed, with the failed items of a loop, without secrets."""
    if "censored" in answer:
        return str(answer["censored"])
    items = [item for item in answer.get("results", ()) if item.get("failed")]
    if items:
        return "\n".join(f"{item.get('item', '')}: {_message(item)}" for item in items)
    further = (str(answer[key]).strip() for key in ("stderr", "stdout") if answer.get(key))
    return "\n".join([str(answer.get("msg", "")).strip(), *further]).strip()


def _diff(diff: Any) -> str:
    """Return a difference in Ansible's form as text."""
    text = ""
    for one in diff if isinstance(diff, list) else [diff]:
        if not one:
            continue
        if "prepared" in one:
            text += one["prepared"]
        before, after = (_text(one.get(side)) for side in ("before", "after"))
        old, new = (str(one.get(f"{side}_header") or "") for side in ("before", "after"))
        text += "\n".join(difflib.unified_diff(before, after, old, new, n=1, lineterm=""))
    return f"{text}\n" if text else ""


def _text(side: Any) -> list[str]:
    """Return the lines of one side of a difference: a file or settings."""
    return side.splitlines() if isinstance(side, str) else json.dumps(side, indent=1).splitlines()
