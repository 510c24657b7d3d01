"""Runs of playbooks for the judges of notebook 04, and commands as root."""

import json
import shlex
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nochat.lab.exercise.catalogue import Mistake
from nochat.lab.machines import Farm, provision
from nochat.lab.surroundings import PLAIN_ANSIBLE, with_programs
from nochat.lab.waiting import blocking

LONGEST = 600.0  # seconds

Changed = Mapping[str, list[str]]  # the names of tasks, by the machine that they changed


def play(
    playbook: str | Path, inventory: Path, *, limit: str = "", check: bool = False, **variables: Any
) -> Changed:
    """Run a playbook; return the tasks that changed something, for each machine.

    It costs half of what `provision.ansible` does, which shows its progress.

    Args:
        playbook: a file, or the name of one of the project's.
        inventory: the file with the machines.
        limit: run it on these machines alone.
        check: let Ansible only say what it would change.
        variables: values that override those of the playbook.

    Raises:
        Mistake: `failed`: Ansible ended with an error.
    """
    try:
        path = provision.find(playbook)
    except FileNotFoundError as error:
        raise Mistake("failed", error=error) from None
    argv = ["ansible-playbook", "--inventory", str(inventory), str(path)]
    argv += ["--extra-vars", json.dumps(variables)]
    argv += ["--limit", limit] if limit else []
    argv += ["--check"] if check else []
    with (
        blocking(f"`ansible-playbook {path.name}`"),
        tempfile.TemporaryDirectory(prefix="nochat-judge-") as folder,
    ):
        ran = subprocess.run(
            argv,
            env=_environment(path, Path(folder)),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST,
            check=False,
        )
    return _told(ran)


def as_root(farm: Farm, host: str, script: str) -> str:
    """Run a shell script as root on a machine; return its output.

    A notice of the wait does not show the script, which may give an answer away.

    Raises:
        MachinesError: the machine can't be reached, or the script fails.
    """
    return farm.ssh(host, f"sudo sh -c {shlex.quote(script)}", what="the exercise")


def _environment(playbook: Path, folder: Path) -> dict[str, str]:
    settings = playbook.parent / "ansible.cfg"
    return {
        **with_programs(),
        "ANSIBLE_CONFIG": str(settings if settings.exists() else PLAIN_ANSIBLE),
        "ANSIBLE_LOCAL_TEMP": str(folder),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    }


def _told(ran: subprocess.CompletedProcess[str]) -> Changed:
    text = ran.stdout[ran.stdout.find("\n{") + 1 :]  # the settings' other callbacks write, too
    try:
        told, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        error = (ran.stderr or ran.stdout).strip() or "it said nothing"
        raise Mistake("failed", error=error) from None
    changed = defaultdict(list)
    error = ""
    for task in (task for play in told["plays"] for task in play["tasks"]):
        for host, result in task["hosts"].items():
            name = task["task"]["name"]
            if result.get("changed"):
                changed[host].append(name)
            if result.get("failed") or result.get("unreachable"):
                error = f"{host} failed at “{name}”: {result.get('msg', 'it gave no reason')}"
    if ran.returncode:
        raise Mistake("failed", error=error or ran.stderr.strip() or "it gave no reason")
    return changed
