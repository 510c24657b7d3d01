"""`python -m benchmarks.containers`: the chat's containers compared with those of a voting app.

The peer is a typical stack of courses (pages in Flask behind gunicorn, a worker, Redis,
PostgreSQL), on the same base image, in the same private engine, which starts empty.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from nochat.lab import containers, servers
from nochat.lab.containers.commands import compose, environment, run
from nochat.lab.errors import ContainersError
from nochat.local.doctor import Missing
from nochat.local.processes import NotReady, free_port, until

ROOT = Path(__file__).parents[1]
BASE = "nochat/python"
CLEAN = shutil.ignore_patterns(".*_cache", ".git", ".venv", "build", "node_modules", "__pycache__")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
SECONDS = 240.0  # until all is healthy
LINE = "{:<34} {:>10} {:>10}"

Command = list[str]


@dataclass(frozen=True)
class Side:
    """One of the two stacks.

    Attributes:
        images: the images of its own code.
        code: a file of its code, to change.
        build: the commands that build these images.
        servers: the commands that prepare everything else; not measured.
        env: variables for Compose.
    """

    images: list[str]
    code: str
    build: list[Command]
    servers: list[Command]
    env: dict[str, str]


def main() -> int:
    """Measure both and print a table; return the exit status."""
    try:
        with servers.docker(alone=True):
            run([str(ROOT / "tools" / "box"), "python"], os.environ)
            figures = [dict(_measure(side)) for side in (_chat(), _voting())]
    except (Missing, NotReady, servers.NotAnswering, ContainersError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(LINE.format("", "chat", "voting"))
    for what in figures[0]:
        print(LINE.format(what, *(f"{figure[what]:,.1f}".removesuffix(".0") for figure in figures)))
    return 0


def _chat() -> Side:
    """Return the chat's side."""
    env = {
        "BASE_IMAGE": BASE,
        "COMPOSE_FILE": "docker/compose.yaml:docker/compose.offline.yaml",
        "CHAT_PORT": str(free_port()),
    }
    build = ["docker", "build", "--file=docker/Dockerfile", "--tag=nochat", *_arguments(), "."]
    return Side(
        ["nochat"],
        "nochat/domain/room.py",
        [build],
        [["docker/secrets"], [*compose(), "build"]],
        env,
    )


def _voting() -> Side:
    """Return the peer's side."""

    def build(target: str, name: str) -> Command:
        more = [f"--target={target}", f"--tag=voting-{name}", f"--build-arg=SERVICE={name}"]
        return ["docker", "build", *more, *_arguments(), "benchmarks/voting"]

    own = {"vote": "web", "result": "web", "worker": "worker"}
    return Side(
        [f"voting-{name}" for name in own],
        "benchmarks/voting/vote.py",
        [build(target, name) for name, target in own.items()],
        [build(name, name) for name in ("redis", "db")],
        {
            "COMPOSE_FILE": "benchmarks/voting/compose.yaml",
            "VOTE_PORT": str(free_port()),
            "RESULT_PORT": str(free_port()),
        },
    )


def _arguments() -> Command:
    known = [f"--secret=id=ca,src={AUTHORITIES}"] if AUTHORITIES.exists() else []
    return [f"--build-arg=BASE_IMAGE={BASE}", *known]


def _measure(side: Side) -> Iterator[tuple[str, float]]:
    """Measure a side; yield its figures."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        shutil.copytree(ROOT, folder, ignore=CLEAN, dirs_exist_ok=True)
        shutil.copy("docker/with-ca", "benchmarks/voting")
        env = environment() | side.env
        yield "build, nothing cached, s", _timed(side.build, env)
        yield "build, nothing changed, s", _timed(side.build, env)
        with Path(side.code).open("a", encoding="utf-8") as file:
            file.write("\nSOMETHING_NEW = True\n")
        yield "build, a line of code changed, s", _timed(side.build, env)
        lowest = len(containers.layers(BASE))
        layers = [layer for image in side.images for layer in containers.layers(image)[lowest:]]
        yield "images of its own", len(side.images)
        yield "layers that they put on the base", len(layers)
        yield "these together, MB", sum(layer.size for layer in layers) / 1e6
        _timed(side.servers, env)
        try:
            began = time.monotonic()
            _timed([[*compose(), "up", "--detach"]], env)
            yield "containers", _healthy(began)
            yield "up until all is healthy, s", time.monotonic() - began
        finally:
            _timed([[*compose(), "down", "--volumes"]], env)


def _timed(commands: list[Command], env: dict[str, str]) -> float:
    """Run commands; return the seconds that they took."""
    began = time.monotonic()
    for command in commands:
        run(command, env)
    return time.monotonic() - began


def _healthy(began: float) -> int:
    """Wait until all containers are healthy or running; return the number of containers."""
    docker = containers.client()  # only once, as it sends a request to the busy engine

    def healthy() -> int:
        states = [container.attrs["State"] for container in docker.containers.list(all=True)]
        well = (state.get("Health", state)["Status"] in ("healthy", "running") for state in states)
        return len(states) if all(well) else 0

    if count := until(healthy, began + SECONDS - time.monotonic(), pause=0.2):
        return count
    raise ContainersError(f"not everything is healthy after {SECONDS:g} s")


if __name__ == "__main__":
    sys.exit(main())
