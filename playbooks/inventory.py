#!/usr/bin/env python3
"""The machines for `ansible-playbook` on the command line: from a hosts file, or from Vagrant.

ANSIBLE_HOSTS names the hosts file. Without it, these are the machines that `vagrant up` made and
that run; the roles of the machines are then those of the Vagrantfile.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nochat.lab.inventory import CONTAINERS_HOST, groups, hosts, variables  # noqa: E402
from nochat.lab.surroundings import of_vagrant, settled  # noqa: E402

GROUPS = groups([CONTAINERS_HOST])  # everything on one, as in the first steps of the course
RUNNING = {"running", "active"}  # what providers call it; the last one is OpenStack's


def inventory() -> dict[str, Any]:
    """Return the inventory, in the form that Ansible expects of a script."""
    if file := os.environ.get("ANSIBLE_HOSTS"):
        return _of_file(Path(file).expanduser())
    return _of_machines(dict(machines(_ssh_config())))


def machines(ssh_config: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each machine of an SSH configuration with its variables."""
    for name, options in hosts(ssh_config):
        yield name, variables(options)


def _of_machines(by_name: dict[str, dict[str, str]]) -> dict[str, Any]:
    members = {
        group: {"hosts": [name for name in names if name in by_name]}
        for group, names in GROUPS.items()
    }
    return members | {"all": {"hosts": list(by_name)}, "_meta": {"hostvars": by_name}}


def _ssh_config() -> str:
    """Ask Vagrant for the machines that run; it would stop at the first that does not."""
    if not shutil.which("vagrant") or not (ROOT / "Vagrantfile").exists():
        return ""
    states = re.findall(r"^\d+,(.+),state,(\w+)$", _vagrant("status", "--machine-readable"), re.M)
    running = [name for name, state in states if state in RUNNING]
    return _vagrant("ssh-config", *running) if running else ""


def _vagrant(*arguments: str) -> str:
    ran = subprocess.run(
        ["vagrant", *arguments],
        cwd=ROOT,
        env=of_vagrant(settled(os.environ), ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"inventory: vagrant {arguments[0]} failed: {ran.stderr.strip()}")
    return ran.stdout


def _of_file(hosts: Path) -> dict[str, Any]:
    """Return what Ansible reads in a hosts file."""
    if not hosts.exists():
        sys.exit(f"inventory: there is no file {hosts}, which ANSIBLE_HOSTS names")
    beside = Path(sys.executable).with_name("ansible-inventory")
    program = str(beside) if beside.exists() else "ansible-inventory"
    ran = subprocess.run(
        [program, "-i", hosts, "--list"],
        env=settled(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"inventory: {hosts} can't be read: {ran.stderr.strip()}")
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


if __name__ == "__main__":
    print(json.dumps(inventory(), indent=2))
