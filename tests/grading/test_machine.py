"""Submissions of a notebook that needs root are judged in throw-away machines."""

import copy
import json
import os
from pathlib import Path

import psutil
import pytest

from nochat.lab.grading.grade import grade
from nochat.lab.grading.runs import MIB, Limits
from nochat.local import doctor
from nochat.local.processes import until
from tests.conftest import ROOT
from tests.grading.conftest import MASTERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "98_shelf"
SUBMISSIONS = {
    "right": 'import os\n\ndef shelf(place):\n    os.system(f"mount -t ramfs none {place}")',
    # Passes what is seen, and not the hidden check.
    "narrow": 'import os\n\ndef shelf(place):\n    os.system("mount -t ramfs none /mnt")',
    "vandal": """
import os, shutil, subprocess
from nochat.lab.folders import find_root
def shelf(place):
    subprocess.Popen(["sleep", "98765"], start_new_session=True)
    seen = [*find_root().glob("notebooks/*"), *find_root().glob("tests/*")]
    for folder in (find_root() / "docker", "/etc/apt", "/usr/share/doc", "/var/lib/dpkg/info"):
        shutil.rmtree(folder)
    raise RuntimeError(f"seen: {seen}")
""",
    "fills": """
def shelf(place):
    with open("/var/tmp/all", "wb") as file:
        while True: file.write(bytes(2**24))
""",
}
KEPT = (ROOT / "docker", Path("/etc/apt"), Path("/usr/share/doc"), Path("/var/lib/dpkg/info"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    doctor.require("lxc")
    folder = tmp_path_factory.mktemp("submissions")
    master = json.loads((MASTERS / f"{NAME}.ipynb").read_text())
    for student, answer in SUBMISSIONS.items():
        notebook = copy.deepcopy(master)
        (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "your-98a"]
        cell["source"] = answer
        (folder / f"{student}_{NAME}.ipynb").write_text(json.dumps(notebook))
    out, lines = tmp_path_factory.mktemp("results"), []
    limits = Limits(seconds=60, memory=1024 * MIB, disk=256 * MIB, processes=500)
    graded = grade(folder, out, MASTERS, limits=limits, say=lines.append)
    return {each.student: each for each in graded}, lines


def said(results, student):
    return [(test.passed, test.output) for test in results[0][student].tests]


def test_our_own_solution_is_judged_first(results):
    assert results[1][0].startswith(f"{NAME}: our own solutions pass"), results[1]


def test_a_right_answer_passes_as_root_of_its_machine(results):
    assert said(results, "right") == [(True, ""), (True, "")]


def test_a_hidden_check_is_another_point(results):
    assert said(results, "narrow") == [(True, ""), (False, "AssertionError: not at another place")]


def test_whatever_is_deleted_in_a_machine_is_only_deleted_there(results):
    assert said(results, "vandal")[0] == (
        False,
        "Your `shelf` ended with an error: RuntimeError: seen: []",
    )
    assert all(any(folder.iterdir()) for folder in KEPT)


def test_a_full_disk_is_an_error_that_python_can_handle(results):
    assert "No space left on device" in said(results, "fills")[0][1]


def test_nothing_of_a_machine_is_left(results):
    def left():
        lines = [" ".join(it.info["cmdline"] or []) for it in psutil.process_iter(["cmdline"])]
        return [line for line in lines if "sleep 98765" in line]

    assert until(lambda: not left(), 30), left()
    assert not [*Path("/sys/fs/cgroup").glob(f"*/lxc.payload.nochat-grade-{os.getpid()}-*")]
    assert "nochat-grade-" not in Path("/proc/mounts").read_text()
