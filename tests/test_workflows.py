"""What GitHub runs: by commits that nobody can move, with no more rights than it needs.

The jobs themselves can't be run here; their steps can, in a container or on a bare machine, by
`bash .ci/job JOB`.
"""

import re
import subprocess

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
PINNED = re.compile(r"uses: [\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$")
# What a job may do beside reading, and nothing else may.
PUBLISH = {
    ("site", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "github"): {"contents": "write"},
    ("release", "pypi"): {"id-token": "write"},
}
JOBS = [
    pytest.param(path.stem, name, job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text())["jobs"].items()
]
IN_A_CONTAINER = [job for job in JOBS if "container" in job.values[2]]


def listed() -> dict[str, list[str]]:
    """The steps of each job, as .ci/steps has them."""
    steps: dict[str, list[str]] = {}
    for line in (ROOT / ".ci/steps").read_text().splitlines():
        if line and not line.startswith("#"):
            job, _, step = line.partition(": ")
            steps.setdefault(job, []).append(step)
    return steps


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits(path):
    uses = [line.strip(" -") for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("workflow", "name", "job"), JOBS)
def test_a_job_may_do_more_only_where_it_publishes(workflow, name, job):
    assert job.get("permissions") == PUBLISH.get((workflow, name))


@pytest.mark.parametrize(("workflow", "name", "job"), JOBS)
def test_a_job_ends(workflow, name, job):
    assert 10 <= job["timeout-minutes"] <= 120


def test_jobs_in_containers_are_listed():
    run = {
        job.values[1]: [step["run"] for step in job.values[2]["steps"] if "run" in step]
        for job in IN_A_CONTAINER
    }
    assert run == listed()


@pytest.mark.parametrize(("workflow", "name", "job"), IN_A_CONTAINER)
def test_a_container_has_what_its_job_needs(workflow, name, job):
    """Docker and LXC want rights, a parent for what they leave, and a disk of the runner's own."""
    assert job["env"]["HOME"] == "/root"  # GitHub's own belongs to another user
    if name != "build":
        assert job["container"]["options"].split() == ["--privileged", "--init"]
        assert [volume.partition(":")[2] for volume in job["container"]["volumes"]] == ["/tmp"]


def test_the_weekly_run_has_every_test_that_is_in_no_other():
    targets = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())
    matrix = targets["jobs"]["long"]["strategy"]["matrix"]["target"]
    makefile = (ROOT / "Makefile").read_text()
    elsewhere = {"test-machines", "test-mongodb"}  # in `make test`; on a server of one's own
    alone = set(re.findall(r"^(test-[a-z-]+):", makefile, re.M)) - elsewhere
    assert set(matrix) == alone
    for target in matrix:
        assert target in (ROOT / ".ci/long").read_text()


def test_a_job_can_be_named_wrongly():
    ran = subprocess.run(
        ["bash", ".ci/job", "tset"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr == "There are the jobs test course long build: bash .ci/job JOB\n"


def test_a_container_gives_limits_to_what_it_starts(tmp_path):
    """With control groups of version 2, whose topmost may not have processes of its own then."""
    checkout, groups = tmp_path / "checkout", tmp_path / "groups"
    (checkout / ".ci").mkdir(parents=True)
    (checkout / ".ci/container").write_text((ROOT / ".ci/container").read_text())
    groups.mkdir()
    (groups / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (groups / "cgroup.subtree_control").write_text("\n")
    (groups / "cgroup.procs").write_text("1\n7\n")
    subprocess.run(["bash", checkout / ".ci/container", groups], check=True)
    assert (groups / "processes/cgroup.procs").read_text() == "7\n"  # the kernel adds each
    given = (groups / "cgroup.subtree_control").read_text()
    assert given == "+cpuset +cpu +io +memory +pids\n"


def test_every_lock_is_audited():
    text = (ROOT / ".github/workflows/audit.yml").read_text()
    for lock in ("docker/chat.lock", "requirements.lock"):
        assert f"--requirement {lock}" in text
    assert "npm audit --package-lock-only" in text
