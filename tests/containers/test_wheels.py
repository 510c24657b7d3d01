"""The image's default base: everything that is installed in it must have a wheel for it.

No base is fetched: uv resolves the locks as pip would in it, and takes wheels alone.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = ROOT / "docker"
UV = Path(sys.executable).with_name("uv")
BASE = re.compile(r"^ARG BASE_IMAGE=python:(?P<python>[\d.]+)-(?P<system>slim|alpine)$", re.M)
# What of the Docker Hub's images may run a wheel: since Debian 12, and in Alpine.
SYSTEMS = {"slim": "{}-manylinux_2_36", "alpine": "{}-unknown-linux-musl"}


def without_wheel(system: str, machine: str, python: str, folder: Path) -> str:
    """What uv complains of; nothing where each need has a wheel."""
    options = ["--dry-run", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    options += [f"--python-platform={SYSTEMS[system].format(machine)}"]
    options += [f"--python-version={python}", f"--target={folder}"]
    said = ""
    for lock in ("chat.lock", "build.lock"):
        command = [UV, "pip", "install", *options, "--requirement", DOCKER / lock]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        said += ran.stderr if ran.returncode else ""
    return said


@pytest.mark.slow  # It asks the index for each of fifty needs.
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_need_has_a_wheel_for_the_default_base(machine, tmp_path):
    base = BASE.search((DOCKER / "Dockerfile").read_text())
    assert base
    assert without_wheel(base["system"], machine, base["python"], tmp_path) == ""


@pytest.mark.slow
def test_a_need_without_a_wheel_is_named(tmp_path):
    """On Alpine it is pymongo; once it has one, docs/containers.md may say so."""
    said = without_wheel("alpine", "x86_64", "3.13", tmp_path)
    assert "pymongo" in said
    assert "no usable wheels" in said
