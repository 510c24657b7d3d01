"""Provisions machines by Ansible, through ansible-runner, or by Rex; task by task as it goes.

```python
run = provision.ansible("servers.yml", farm.inventory, limit="containers-host")
run.changed, run.seconds, run.diff
```

What runs ends with this process, and its files with it. After an interrupt, run it again.
"""

import difflib
import html
import json
import os
import re
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nochat import doctor
from nochat.keeper import Kept, keep
from nochat.lab._board import Board
from nochat.lab._vagrant import ANSI
from nochat.lab.machines import Farm, find_root
from nochat.lab.servers._server import own_folder

RESULTS = {
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
BAD = {"failed", "unreachable"}
# What to do about a host that can't be reached, by what SSH says of it; the first that fits.
UNREACHABLE = (
    ("Permission denied", "it answers, but refuses the key or user: look at them in the inventory"),
    ("Could not resolve", "its name is unknown: look at its address in the inventory"),
    ("", "nothing answers there: is the machine up (`farm.status()`), and its address right?"),
)


@dataclass(frozen=True)
class Task:
    """What came of a task on a host.

    Attributes:
        host: which.
        name: what the task does.
        result: `ok`, `changed`, `skipped`, `ignored`, `failed` or `unreachable`.
        seconds: that it took.
        message: why, where it failed.
        diff: what it changed in a file, where that is not secret.
    """

    host: str
    name: str
    result: str
    seconds: float
    message: str = ""
    diff: str = ""


@dataclass(frozen=True, repr=False)
class Run:
    """What came of provisioning.

    Attributes:
        tool: `Ansible` or `Rex`.
        what: the playbook, or the Rexfile's task.
        seconds: that it took.
        lines: of the files that it took tasks from, without blank ones and comments.
        tasks: in order, a host's each.
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
        """What changed in files."""
        return "\n".join(task.diff for task in self.tasks if task.diff)

    @property
    def slowest(self) -> list[Task]:
        """The ten tasks that took longest."""
        return sorted(self.tasks, key=lambda task: -task.seconds)[:10]

    def __repr__(self) -> str:
        slow = (f"  {it.seconds:6.1f} s  {it.host}  {it.name}" for it in self.slowest[:5])
        return "\n".join([self._summary(), *slow])

    def _repr_html_(self) -> str:
        tasks = [task for task in self.tasks if task.result != "skipped"]
        rows = [[it.host, it.name, it.result, f"{it.seconds:.1f}"] for it in tasks]
        table = _table(["Host", "Task", "Result", "Seconds"], rows)
        return f"<details><summary>{html.escape(self._summary())}</summary>{table}</details>"

    def _summary(self) -> str:
        counts = Counter(task.result for task in self.tasks)
        found = ", ".join(f"{count} {result}" for result, count in counts.items())
        return f"{self.tool}, {self.what}: {self.seconds:.1f} s; {found or 'nothing changed'}"


class Failed(RuntimeError):
    """Provisioning stopped; the message names host and task and says why.

    Attributes:
        host: where; empty where it did not come to that.
        task: which; empty where it did not come to that.
        run: all that was done before.
    """

    def __init__(self, reason: str, run: Run, task: Task | None = None) -> None:
        super().__init__(reason)
        self.run, self.host, self.task = run, task.host if task else "", task.name if task else ""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs side by side."""

    runs: Sequence[Run]

    def __repr__(self) -> str:
        rows = [self._heads, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _table(self._heads, self._rows())

    _heads = ("Tool", "What", "Lines", "Seconds", "Changed")

    def _rows(self) -> list[list[str]]:
        return [
            [it.tool, it.what, str(it.lines), f"{it.seconds:.1f}", str(len(it.changed))]
            for it in self.runs
        ]


def compare(*runs: Run) -> Comparison:
    """Put runs side by side: their tool, lines of code, seconds, and how much they changed."""
    return Comparison(runs)


def ansible(
    playbook: str | Path,
    inventory: Path | None = None,
    *,
    limit: str = "",
    variables: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Run:
    """Run a playbook, and say how it goes.

    Args:
        playbook: a file, or the name of one of the project's.
        inventory: file, or script, that names the hosts; without one, there is this computer alone.
        limit: run it on these hosts alone.
        variables: in the place of those of the roles; they may be secret.
        quiet: print nothing.

    Raises:
        Failed: a task failed, or a host can't be reached.
    """
    playbook = _find(Path(playbook))
    folder = own_folder("provision")
    env = {
        **_environment(),
        # Where other runs, and the user's own, do not find them: they end with this run.
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
    }
    if (settings := playbook.parent / "ansible.cfg").exists():
        env["ANSIBLE_CONFIG"] = str(settings)
    argv = ["ansible-runner", "run", str(folder), "--playbook", str(playbook), "--json"]
    extra = folder / "variables.json"  # a file: arguments are seen by all
    extra.touch(mode=0o600)
    extra.write_text(json.dumps(dict(variables or {})))
    if inventory is None:
        inventory = folder / "hosts"
        inventory.write_text("localhost\n")
    argv += ["--inventory", str(inventory.absolute()), f"--cmdline=--diff --extra-vars @{extra}"]
    argv += ["--limit", limit] if limit else []
    following = _Following(playbook.name)
    with Board(quiet) as board, _kept(argv, env, folder) as kept:
        board.say("ansible", f"runs {playbook.name}")
        for line in _lines(kept):
            following.hear(line, board)
        run = following.run()
        following.conclude(board)
    return _checked(run, following)


@dataclass
class _Following:
    """Makes sense of the events of ansible-runner."""

    what: str
    tasks: list[Task] = field(default_factory=list)
    diffs: dict[tuple[str, str], str] = field(default_factory=dict)
    sources: set[Path] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    # By what is written for people: of a task with secrets nothing else says so.
    changed: set[tuple[str, str]] = field(default_factory=set)
    ended: bool = False
    began: float = field(default_factory=time.monotonic)

    def hear(self, line: str, board: Board) -> None:
        """Note one event, and show it."""
        try:
            event = json.loads(line)
        except ValueError:
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
        seconds = time.monotonic() - self.began
        # Handlers count where nothing called them, too: there are as many lines at a second run.
        handlers = {source.parents[1] / "handlers" / "main.yml" for source in self.sources}
        lines = sum(_count_lines(it) for it in self.sources | handlers if it.exists())
        return Run("Ansible", self.what, seconds, lines, tuple(self.tasks))

    def conclude(self, board: Board) -> None:
        for host in dict.fromkeys(task.host for task in self.tasks):
            counts = Counter(task.result for task in self.tasks if task.host == host)
            board.say(host, ", ".join(f"{count} {result}" for result, count in counts.items()))
        board.say("ansible", f"has run {self.what}")


def _checked(run: Run, following: _Following) -> Run:
    """Raise what went wrong."""
    bad = [task for task in run.tasks if task.result in BAD]
    if bad:
        others = "".join(f"\n{_reason(task)}" for task in bad[1:])
        raise Failed(_reason(bad[0]) + others, run, bad[0])
    if not following.ended or not run.tasks:
        said = "\n".join(line for line in following.said if line.strip())
        raise Failed(f"{run.what} did not run: {said or 'no host of the inventory fits'}", run)
    return run


def _reason(task: Task) -> str:
    if task.result == "unreachable":
        advice = next(advice for said, advice in UNREACHABLE if said in task.message)
        return f"{task.host} can't be reached at “{task.name}”: {task.message}\nTo do: {advice}"
    return f"{task.host} failed at “{task.name}”: {task.message}"


def _message(answer: Mapping[str, Any]) -> str:
    """Why a task failed; of a loop, the items that did. What is secret is not in it."""
    if "censored" in answer:
        return str(answer["censored"])
    items = [it for it in answer.get("results", ()) if it.get("failed")]
    if items:
        return "\n".join(f"{it.get('item', '')}: {_message(it)}" for it in items)
    further = (str(answer[key]).strip() for key in ("stderr", "stdout") if answer.get(key))
    return "\n".join([str(answer.get("msg", "")).strip(), *further]).strip()


def _diff(found: Any) -> str:
    """A difference as Ansible tells it, as text."""
    text = ""
    for one in found if isinstance(found, list) else [found]:
        if not one:
            continue
        if "prepared" in one:
            text += one["prepared"]
        before, after = (_text(one.get(side)) for side in ("before", "after"))
        old, new = (str(one.get(f"{side}_header") or "") for side in ("before", "after"))
        text += "\n".join(difflib.unified_diff(before, after, old, new, n=1, lineterm=""))
    return f"{text}\n" if text else ""


def _text(side: Any) -> list[str]:
    """The lines of one side: of a file, or of settings."""
    return side.splitlines() if isinstance(side, str) else json.dumps(side, indent=1).splitlines()


def rex(task: str, farm: Farm, machine: str, *, quiet: bool = False) -> Run:
    """Run a task of the project's Rexfile on a machine, and say how it goes.

    Args:
        task: as `deployServers`.
        farm: that has the machine.
        machine: its name.
        quiet: print nothing.

    Raises:
        Missing: Rex is not installed.
        Failed: it ended with an error.
    """
    program, rexfile = doctor.require("rex"), find_root() / "playbooks" / "Rexfile"
    folder = own_folder("provision")
    inventory = folder / "hosts"
    # The machine may be another than the Vagrantfile's for these groups.
    groups = {group: [machine] for group in ("servers", "app")}
    inventory.write_text(farm.hosts_file([machine], groups))
    env = {
        **_environment(),
        "ANSIBLE_HOSTS": str(inventory),
        # It asks the terminal for its size, and there is none.
        "COLUMNS": "100",
        "LINES": "40",
    }
    # The keeper does not tell how a command ended.
    argv = ["/bin/sh", "-c", '"$@"; echo "status $?"', "sh", str(program), "-m", "-f", str(rexfile)]
    began, said = time.monotonic(), [""]
    with Board(quiet) as board, _kept([*argv, task], env, folder) as kept:
        board.say(machine, task)
        for line in _lines(kept):
            said.append(line)
            if info := re.search(r"(?:INFO|WARN|ERROR) - (.*)", line):
                board.say(machine, info[1])
        run = Run(
            "Rex", task, time.monotonic() - began, _count_lines(rexfile), _told(machine, said)
        )
        if said[-1] != "status 0":
            raise Failed(f"{machine} failed at “{task}”:\n" + "\n".join(said[-12:-1]), run)
        board.say(machine, f"{len(run.changed)} changed by {task}")
    return run


def _told(machine: str, said: Sequence[str]) -> tuple[Task, ...]:
    """What the Rexfile says it changed: an indented line each."""
    heads = [number for number, line in enumerate(said) if re.search(r": changed=\d+$", line)]
    lines = said[heads[-1] + 1 :] if heads else []
    return tuple(
        Task(machine, line.strip(), "changed", 0.0) for line in lines if line.startswith("    ")
    )


def _kept(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> Kept:
    return keep(argv, env=env, cwd=folder, log=folder / "log", remove=folder)


def _lines(kept: Kept) -> Iterator[str]:
    """What a command writes, line by line as it comes, until it ends."""
    with kept.log.open(errors="replace") as log:
        line = ""
        while True:
            alive = kept.alive
            line += log.readline()
            if line.endswith("\n"):
                yield line.rstrip()
                line = ""
            elif not alive:
                return
            else:
                time.sleep(0.05)


def _environment() -> dict[str, str]:
    """Ours, with the programs of our virtual environment."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def _find(playbook: Path) -> Path:
    if playbook.exists():
        return playbook.absolute()
    ours = find_root() / "playbooks"
    if (ours / playbook).exists():
        return ours / playbook
    playbooks = (found.name for found in ours.glob("*.yml") if "hosts:" in found.read_text())
    known = ", ".join(sorted(playbooks))
    raise FileNotFoundError(f"there is no playbook {playbook}; the project's are: {known}")


def _count_lines(source: Path) -> int:
    lines = (line.strip() for line in source.read_text().splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(it)}</{tag}>" for it in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(heads, 'th')}</thead><tbody>{body}</tbody></table>"
