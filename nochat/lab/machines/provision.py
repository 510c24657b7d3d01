"""Provisioning by Ansible, through ansible-runner, or by Rex, with its progress.

```python
run = provision.ansible("servers.yml", farm.inventory, limit="containers-host")
run.changed, run.seconds, run.diff
```

A run ends with this process, and its files are removed. After an interrupt, run it again.
"""

import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nochat.lab.board import Board
from nochat.lab.folders import own_folder
from nochat.lab.machines import Farm, find_root
from nochat.lab.machines.following import Following, checked
from nochat.lab.machines.runs import Comparison, Run, RunFailed, Task, compare, count_lines
from nochat.lab.surroundings import PLAIN_ANSIBLE, with_programs
from nochat.local import doctor
from nochat.local.processes import ChildProcess, start_child

__all__ = ["Comparison", "Run", "RunFailed", "Task", "ansible", "compare", "find", "rex"]


def ansible(
    playbook: str | Path,
    inventory: Path | None = None,
    *,
    limit: str = "",
    variables: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Run:
    """Run a playbook, and show its progress.

    Args:
        playbook: a file, or the name of one of the project's.
        inventory: file or script with the hosts; without one, this computer is the only host.
        limit: run it on these hosts alone.
        variables: values that override the roles' variables; they may be secret.
        quiet: print nothing.

    Raises:
        RunFailed: a task failed, or a host can't be reached.
    """
    playbook = find(playbook)
    folder = own_folder("provision")
    env = {
        **with_programs(),
        # Private to this run, so that other runs do not use them.
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
    }
    settings = playbook.parent / "ansible.cfg"
    env["ANSIBLE_CONFIG"] = str(settings if settings.exists() else PLAIN_ANSIBLE)
    argv = ["ansible-runner", "run", str(folder), "--playbook", str(playbook), "--json"]
    extra = folder / "variables.json"  # a file, as all users can see arguments
    extra.touch(mode=0o600)
    extra.write_text(json.dumps(dict(variables or {})), encoding="utf-8")
    if inventory is None:
        inventory = folder / "hosts"
        inventory.write_text("localhost\n", encoding="utf-8")
    argv += [
        "--inventory",
        str(inventory.absolute()),
        f"--cmdline=--diff --extra-vars @{shlex.quote(str(extra))}",
    ]
    argv += ["--limit", limit] if limit else []
    following = Following(playbook.name)
    with Board(quiet) as board, _playbook(argv, env, folder) as child:
        board.say("ansible", f"runs {playbook.name}")
        for line in _lines(child):
            following.hear(line, board)
        run = following.run()
        following.conclude(board)
    return checked(run, following)


def rex(task: str, farm: Farm, machine: str, *, quiet: bool = False) -> Run:
    """Run a task of the project's Rexfile on a machine, and show its progress.

    Args:
        task: the task, as `deployServers`.
        farm: the machines.
        machine: its name.
        quiet: print nothing.

    Raises:
        Missing: Rex is not installed.
        RunFailed: it ended with an error.
    """
    program, rexfile = doctor.require("rex"), find_root() / "playbooks" / "Rexfile"
    folder = own_folder("provision")
    inventory = folder / "hosts"
    # The machine may be in other groups of the Vagrantfile.
    groups = {group: [machine] for group in ("servers", "app")}
    inventory.write_text(farm.hosts_file([machine], groups), encoding="utf-8")
    env = {
        **with_programs(),
        "ANSIBLE_HOSTS": str(inventory),
        # Rex asks for the terminal's size, and there is no terminal.
        "COLUMNS": "100",
        "LINES": "40",
    }
    # The keeper does not report the exit status.
    argv = ["/bin/sh", "-c", '"$@"; echo "status $?"', "sh", str(program), "-m", "-f", str(rexfile)]
    began, said = time.monotonic(), [""]
    with Board(quiet) as board, _playbook([*argv, task], env, folder) as child:
        board.say(machine, task)
        for line in _lines(child):
            said.append(line)
            if info := re.search(r"(?:INFO|WARN|ERROR) - (.*)", line):
                board.say(machine, info[1])
        run = Run("Rex", task, time.monotonic() - began, count_lines(rexfile), _told(machine, said))
        if said[-1] != "status 0":
            raise RunFailed(f"{machine} failed at “{task}”:\n" + "\n".join(said[-12:-1]), run)
        board.say(machine, f"{len(run.changed)} changed by {task}")
    return run


def _told(machine: str, said: Sequence[str]) -> tuple[Task, ...]:
    """Return the changes that the Rexfile reports, one per indented line."""
    heads = [number for number, line in enumerate(said) if re.search(r": changed=\d+$", line)]
    lines = said[heads[-1] + 1 :] if heads else []
    return tuple(
        Task(machine, line.strip(), "changed", 0.0) for line in lines if line.startswith("    ")
    )


def _playbook(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> ChildProcess:
    return start_child(argv, env=env, cwd=folder, log=folder / "log", remove=folder)


def _lines(child: ChildProcess) -> Iterator[str]:
    """Yield a command's output line by line, until it ends."""
    with child.log.open(errors="replace", encoding="utf-8") as log:
        line = ""
        while True:
            alive = child.alive
            line += log.readline()
            if line.endswith("\n"):
                yield line.rstrip()
                line = ""
            elif not alive:
                return
            else:
                time.sleep(0.05)


def find(playbook: str | Path) -> Path:
    """Return the path of a playbook.

    Args:
        playbook: a file, or the name of one of the project's.

    Raises:
        FileNotFoundError: there is none; the message lists the project's.
    """
    playbook = Path(playbook)
    if playbook.exists():
        return playbook.absolute()
    ours = find_root() / "playbooks"
    if (ours / playbook).exists():
        return ours / playbook
    playbooks = (
        path.name for path in ours.glob("*.yml") if "hosts:" in path.read_text(encoding="utf-8")
    )
    known = ", ".join(sorted(playbooks))
    raise FileNotFoundError(f"there is no playbook {playbook}; the project's are: {known}")
