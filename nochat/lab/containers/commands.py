"""Docker's command and Compose, as installed here, with explanations of their errors."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from nochat.lab.advice import explain
from nochat.lab.errors import ContainersError
from nochat.lab.machines import find_root
from nochat.local import doctor

BUILTIN = 23  # The docker command has BuildKit built in before this version.

# Patterns of the commands' errors, and what to do then; the first match counts.
ADVICE = (
    (r"[Nn]o space left on device", "the disk is full: make room (docker system prune)"),
    (
        r"port is already allocated|address already in use",
        "the port is taken: set CHAT_PORT to another one, or stop what listens there (ss -ltnp)",
    ),
    (
        r"pull access denied|manifest unknown|failed to resolve|failed to do request|dial tcp|"
        r"Could not resolve|no such host|i/o timeout",
        "an image can't be fetched. Start JupyterLab with NOCHAT_OFFLINE=1, and all are made of "
        "Debian's packages, as by `make base-image`",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|unable to get local issuer",
        "the package indexes have certificates of another authority: set BUILD_CA to its file",
    ),
    (r"bind source path does not exist.*\.secrets", "make the passwords first: docker/secrets"),
    (r"permission denied.*[Dd]ocker", "you may not use Docker: sudo usermod -aG docker $USER"),
    (r"Cannot connect to the Docker daemon", "Docker does not answer: sudo systemctl start docker"),
)


def environment() -> dict[str, str]:
    """Return the environment of our commands, with a `docker` that supports BuildKit."""
    path = os.pathsep.join([str(_builder().parent), os.environ.get("PATH", os.defpath)])
    files = os.environ.get("COMPOSE_FILE", "docker/compose.yaml")
    more = {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1", "COMPOSE_FILE": files}
    return {**os.environ, **more, "PATH": path}


@cache
def compose() -> tuple[str, ...]:
    """Return `docker compose`, or its predecessor if it is not installed."""
    if _output([str(_builder()), "compose", "version"]):
        return "docker", "compose"
    return (str(doctor.require("docker-compose")),)


def start(command: Sequence[str], env: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a command in the project's folder; its output comes through a pipe."""
    return subprocess.Popen(
        command,
        cwd=find_root(),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def run(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a command in the project's folder; return its output.

    Raises:
        ContainersError: it fails.
    """
    with start(command, env) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise ContainersError(failure(command, output))
    return output


def failure(command: Sequence[str], output: str) -> str:
    """Return a readable error for a failed command."""
    return explain(command, output, ADVICE)


@cache
def _builder() -> Path:
    """Return the first docker command on the path that can build: newer ones need a plugin.

    Raises:
        Missing: no docker command can build.
    """
    doctor.require("docker")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for program in (
        Path(path) for folder in folders if (path := shutil.which("docker", path=folder))
    ):
        version = re.search(r"version (\d+)", _output([str(program), "--version"]))
        if (version and int(version[1]) < BUILTIN) or _output([str(program), "buildx", "version"]):
            return program
    raise doctor.Missing(
        "The docker command here can't build: it lacks its plugin buildx. To do: "
        "sudo apt-get install docker-buildx"
    )


def _output(command: list[str]) -> str:
    """Return the output of a command, or an empty string if it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode else ran.stdout
