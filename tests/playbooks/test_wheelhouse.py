"""The wheels that machines install the chat from, made on a small project in its place."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / "tools" / "wheelhouse"
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "nochat"
version = "1.0"
dependencies = ["idna", "typing-extensions; python_version < '3.10'", "msgspec"]
"""


@pytest.fixture
def tool(tmp_path) -> Path:
    """The tool, in a project with one package that is only for an older Python."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "nochat").mkdir()
    (tmp_path / "nochat" / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text("idna==3.10 \\\n    --hash=sha256:0000\n")
    return Path(shutil.copy(TOOL, tmp_path / "tools"))


def starting(tool, version="3.11") -> subprocess.Popen:
    command = [sys.executable, tool, "--python", version, "--machine", "x86_64"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finished(process) -> Path:
    out, errors = process.communicate(timeout=50)
    assert process.returncode == 0, errors
    return Path(out.rstrip("\n"))


def names(house) -> set[str]:
    return {wheel.name.partition("-")[0] for wheel in house.iterdir()}


def test_all_that_the_machine_needs_is_there_in_the_versions_of_the_lock_file(tool):
    house = finished(starting(tool))
    assert names(house) == {"nochat", "idna", "msgspec", "pip"}
    assert (house / "idna-3.10-py3-none-any.whl").exists()
    assert any("cp311" in wheel.name for wheel in house.iterdir())
    with tarfile.open(f"{house}.tar") as archive:
        assert sorted(archive.getnames()) == sorted(wheel.name for wheel in house.iterdir())


def test_conditions_on_pythons_version_are_those_of_the_machine(tool):
    assert "typing_extensions" in names(finished(starting(tool, "3.9")))


def test_it_does_nothing_until_something_changes(tool):
    first = finished(starting(tool))
    made = (first / "idna-3.10-py3-none-any.whl").stat().st_ctime_ns
    assert finished(starting(tool)) == first
    assert (first / "idna-3.10-py3-none-any.whl").stat().st_ctime_ns == made
    (tool.parents[1] / "nochat" / "__init__.py").write_text("new = True\n")
    second = finished(starting(tool))
    assert second != first
    assert not first.exists()


def test_two_at_the_same_time_make_it_once(tool):
    first, second = map(finished, [starting(tool), starting(tool)])
    assert first == second
    assert names(first) == {"nochat", "idna", "msgspec", "pip"}


def test_interrupted_it_starts_over(tool):
    process = starting(tool)
    houses = tool.parents[1] / "build" / "wheelhouse"
    while not list(houses.glob("*-part-*")):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    house = finished(starting(tool))
    assert names(house) == {"nochat", "idna", "msgspec", "pip"}
    assert list(houses.glob("*-part-*")) == []


def test_a_failure_names_the_step(tool):
    (tool.parents[1] / "requirements.lock").write_text("idna==0.0.0\n")
    process = starting(tool)
    out, errors = process.communicate(timeout=50)
    assert (process.returncode, out) == (1, "")
    assert "pip download failed" in errors
