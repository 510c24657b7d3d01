"""The stack role's own module, on this computer: alone, and once by Ansible."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LIBRARY = Path(__file__).parents[2] / "playbooks" / "roles" / "stack" / "library"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def named(files: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """By their names; `_` in those stands for a slash."""
    return {name.replace("_", "/"): file for name, file in files.items()}


def write(folder: Path, *, check: bool = False, **files: dict[str, str]) -> dict[str, Any]:
    """What the module answers when it writes these files: it is started as Ansible does it."""
    given = {"folder": str(folder), "files": named(files), "_ansible_check_mode": check}
    ran = subprocess.run(
        [sys.executable, LIBRARY / "write_files.py"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == ("failed" in answer)
    return answer


def by_ansible(folder: Path, *arguments: str, **files: dict[str, str]) -> str:
    """What Ansible says when it writes them."""
    argv = [Path(sys.executable).with_name("ansible"), "localhost", "--module-name", "write_files"]
    argv += ["--args", json.dumps({"folder": str(folder), "files": named(files)})]
    env = {**os.environ, "ANSIBLE_LIBRARY": str(LIBRARY), "ANSIBLE_LOCALHOST_WARNING": "0"}
    ran = subprocess.run([*argv, *arguments], env=env, capture_output=True, text=True)
    return ran.stdout + ran.stderr


@pytest.mark.slow
def test_files_are_written_once_and_again_when_they_change(folder):
    files = {"a": {"content": "ñ\n"}, "b_run": {"content": "#!/bin/sh\n", "mode": "0755"}}
    assert write(folder, **files)["changed"]
    assert (folder / "a").read_text() == "ñ\n"
    assert (folder / "a").stat().st_mode & 0o777 == 0o644
    assert (folder / "b" / "run").stat().st_mode & 0o777 == 0o755
    assert (folder / "b").stat().st_mode & 0o777 == 0o700
    assert write(folder, **files)["changed"] is False

    (folder / "b" / "run").chmod(0o777)
    files["a"] = {"content": "n\n"}
    said = by_ansible(folder, "--diff", **files)
    assert "CHANGED" in said
    assert "-ñ\n+n\n" in said
    assert (folder / "a").read_text() == "n\n"
    assert (folder / "b" / "run").stat().st_mode & 0o777 == 0o755
    assert {path.name for path in folder.iterdir()} == {"a", "b"}


def test_a_file_of_another_system_is_written_as_it_is_and_once(folder):
    files = {"a": {"content": "one\r\ntwo\r\n"}}
    assert write(folder, **files)["changed"]
    assert (folder / "a").read_bytes() == b"one\r\ntwo\r\n"
    assert write(folder, **files)["changed"] is False


def test_in_check_mode_it_writes_nothing(folder):
    assert write(folder, check=True, a={"content": "new"})["changed"]
    assert not [*folder.iterdir()]


def test_a_file_that_can_not_be_written_is_named_and_the_old_one_stays(folder):
    (folder / "a").write_text("a file, where a folder should be")
    assert f"{folder}/a/b can't be written" in write(folder, a_b={"content": "new"})["msg"]
    assert (folder / "a").read_text().startswith("a file")
    assert "there is no folder" in write(folder / "nowhere", a={"content": "new"})["msg"]
