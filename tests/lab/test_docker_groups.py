"""Control groups of version 2, for a private Docker Engine in a container: by plain files.

On a kernel that has version 1, as that of our tests may be, this is all that can be tried.
"""

import subprocess

import pytest

from nochat.lab.servers.docker_engine import GROUPS
from nochat.lab.shell import script


def prepare(folder):
    subprocess.run(["sh", "-ec", script(GROUPS, groups=folder)], check=True)


@pytest.fixture
def group(tmp_path):
    """The first group that a container sees, with our processes in it."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text("1\n23\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_in_a_container_processes_move_and_controllers_are_handed_down(group):
    prepare(group)
    assert (group / "init" / "cgroup.procs").read_text() == "1\n23\n"
    assert (group / "cgroup.subtree_control").read_text() == "+cpu +memory +pids\n"


@pytest.mark.parametrize(
    "otherwise",
    [
        {"cgroup.procs": ""},  # systemd has moved them
        {"cgroup.type": None},  # the computer's own first group, which may have any
        {"cgroup.controllers": None},  # version 1
    ],
)
def test_elsewhere_all_stays_as_it_is(group, otherwise):
    for name, text in otherwise.items():
        (group / name).unlink() if text is None else (group / name).write_text(text)
    prepare(group)
    assert not (group / "init").exists()
    assert (group / "cgroup.subtree_control").read_text() == ""
