"""The chat's image, and the `docker compose` project that runs it."""

import hashlib
import os
import re
import shlex
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from docker.client import DockerClient
from docker.models.containers import Container

from nochat import __version__
from nochat.lab import bases, servers
from nochat.lab.board import Board
from nochat.lab.containers.commands import compose, environment, failure, run, start
from nochat.lab.errors import ContainersError
from nochat.lab.folders import find_root, own_folder
from nochat.lab.waiting import readable
from nochat.local.processes import ChildProcess, free_port, listens, until, when_gone
from nochat.runtime import proxies

HEALTHY_SECONDS = 240.0  # until all services are healthy, on a slow machine
THERE = "docker version"  # A private engine may have ended before us, and its containers with it.
DOWN = ("down", "--remove-orphans")
ALL = {"COMPOSE_PROFILES": "bot,load,metrics"}  # or `down` would leave them running
WELL = ("healthy", "running", "done")
SERVICE = re.compile(r"[a-zA-Z0-9._-]+")
RESTARTS = 3  # of a service, after which the start has failed

STEP = re.compile(r"^#\d+ \[([\w-]+) +(\d+/\d+)\] (.+)")


@dataclass(frozen=True)
class Layer:
    """One layer of an image: the result of a line of its Dockerfile.

    Attributes:
        command: that line, as the engine records it.
        size: bytes.
    """

    command: str
    size: int


def containers_of(engine: DockerClient, project: str, service: str = "") -> list[Container]:
    """List a Compose project's containers, running or not: all, or a service's, oldest first."""
    labels = [f"com.docker.compose.project={project}"]
    labels += [f"com.docker.compose.service={service}"] if service else []
    known = engine.containers
    containers = known.list(all=True, filters={"label": labels}, ignore_removed=True)
    return sorted(containers, key=lambda container: str(container.attrs["Created"]))


class Stack:
    """The chat as a running `docker compose` project, removed with this process and its volumes.

    Attributes:
        project: its name, the prefix of its containers, networks and volumes.
        url: the page's address.
    """

    def __init__(self, project: str, env: dict[str, str], guard: ChildProcess, quiet: bool) -> None:
        self.project, self._env, self._guard, self._quiet = project, env, guard, quiet
        self.url = f"http://127.0.0.1:{env['CHAT_PORT']}"
        self._docker = client()

    @property
    def command(self) -> str:
        """The command line of its Compose, for a shell in the project's folder."""
        files = self._env["COMPOSE_FILE"].split(":")
        named = [f"--file={file}" for file in files]
        named += [f"--profile={name}" for name in self._env["COMPOSE_PROFILES"].split(",") if name]
        argv = [*compose(), f"--project-name={self.project}", *named]
        given = ["CHAT_PORT"]
        if len(compose()) == 1:  # version 1 builds with the engine's old builder unless told
            given += ["DOCKER_BUILDKIT", "COMPOSE_DOCKER_CLI_BUILD"]
        return " ".join([*(f"{name}={self._env[name]}" for name in given), shlex.join(argv)])

    def extended(self, file: str | Path) -> "Stack":
        """Return the same project with one more file of Compose, which overrides the others."""
        files = f"{self._env['COMPOSE_FILE']}:{Path(file).absolute()}"
        return Stack(self.project, self._env | {"COMPOSE_FILE": files}, self._guard, self._quiet)

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose, such as `ps`, and return its output.

        Raises:
            ContainersError: it fails.
        """
        return run([*compose(), *arguments], self._env)

    def services(self) -> set[str]:
        """Return the names of the services that its files describe.

        Raises:
            ContainersError: a file is wrong.
        """
        lines = self.compose("config", "--services").splitlines()
        return {line for line in lines if SERVICE.fullmatch(line)}  # without warnings

    def containers(self, service: str = "") -> list[Container]:
        """List its containers, running or not: all, or those of a service, oldest first."""
        return containers_of(self._docker, self.project, service)

    def network(self, name: str) -> str:
        """Return the engine's name of one of its networks, such as `back`."""
        return f"{self.project}_{name}"

    def addresses(self, network: str) -> dict[str, str]:
        """Return the addresses of its containers on one of its networks, by name."""
        name = self.network(network)
        places = {
            _name(container): container.attrs["NetworkSettings"]["Networks"]
            for container in self.containers()
        }
        return {who: its[name]["IPAddress"] for who, its in places.items() if name in its}

    def up(self, *services: str, scale: Mapping[str, int] | None = None) -> None:
        """Start services, and wait until all running ones are healthy.

        Args:
            services: their names; all of them if none is given.
            scale: the number of containers of a service.

        Raises:
            ContainersError: a service does not start; the message has the end of its log.
        """
        more = [f"--scale={name}={count}" for name, count in (scale or {}).items()]
        command = [*compose(), "up", "--detach", *more, *services]
        lines = deque[str](maxlen=40)
        with (
            Board(self._quiet) as board,
            start(command, self._env) as process,
        ):
            assert process.stdout
            reader = threading.Thread(target=lines.extend, args=[process.stdout], daemon=True)
            reader.start()
            try:
                self._watch(process, board)
            except BaseException:
                process.terminate()
                raise
            reader.join()
            if process.wait():
                self._complain(failure(command, "".join(lines)))

    def _watch(self, process: "subprocess.Popen[str]", board: Board) -> None:
        """Show the state of every container, until all are healthy or compose has failed."""

        def settled() -> bool:
            if process.poll() not in (None, 0):
                return True
            containers = self.containers()
            states = {_name(container): _state(container) for container in containers}
            for name, state in states.items():
                board.say(name, state)
            if process.poll() == 0 and all(health in WELL for health in states.values()):
                return True
            if any(container.attrs["RestartCount"] >= RESTARTS for container in containers):
                self._complain("A service ends as often as it is started.")
            return False

        if not until(settled, HEALTHY_SECONDS, pause=0.5):
            self._complain(
                f"Not everything is healthy after {HEALTHY_SECONDS:g} s. If it is only slow, "
                "close what else keeps this machine busy, and run it again."
            )

    def _complain(self, what: str) -> None:
        """Raise an error with the end of the log of each unhealthy service.

        Raises:
            ContainersError: always.
        """
        ill = [
            container
            for container in self.containers()
            if _state(container) not in (*WELL, "created")
        ]
        logs = (
            f"{_name(container)} is {_state(container)}. Its log ends:\n{_tail(container)}"
            for container in ill
        )
        raise ContainersError("\n".join([what, *logs]))

    def logs(self, service: str, lines: int = 20) -> str:
        """Return the last lines of output of a service's containers."""
        return "\n".join(_tail(container, lines) for container in self.containers(service))

    def down(self, *, volumes: bool = True) -> None:
        """Stop and remove its containers and networks; calling it again does nothing.

        Args:
            volumes: remove its volumes, too.

        Raises:
            ContainersError: it fails.
        """
        if not self._guard.alive:
            return
        with Board(self._quiet) as board:
            board.say(self.project, "stops")
            run([*compose(), *DOWN, *(["--volumes"] if volumes else [])], self._env | ALL)
            board.say(self.project, "is gone" if volumes else "is removed, except its volumes")
        if volumes:
            self._guard.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def __repr__(self) -> str:
        return f"<Stack {self.project} at {self.url}: {len(self.containers())} containers>"


def up(
    *, scale: Mapping[str, int] | None = None, profiles: Sequence[str] = (), quiet: bool = False
) -> Stack:
    """Start the whole chat, as `docker compose up` does, and wait until it is healthy.

    The variable `COMPOSE_FILE` may name files other than `docker/compose.yaml`, relative to the
    project's folder; `CHAT_PORT` may set the port. The chat's image must exist.

    Args:
        scale: the number of containers of a service.
        profiles: further profiles to start: `metrics`, `bot`, `load`.
        quiet: print nothing.

    Raises:
        Missing: Docker or Compose is not installed.
        NotAnswering: Docker's engine can't be used.
        ContainersError: the port is taken, or a service does not start; the message has the end
            of its log.
    """
    stack = prepare(profiles=profiles, quiet=quiet)
    try:
        stack.up(scale=scale)
    except BaseException:
        stack.down()
        raise
    return stack


def prepare(*, profiles: Sequence[str] = (), quiet: bool = False) -> Stack:
    """Prepare for a `docker compose up` by hand: what it starts is removed with this process.

    The passwords are made if there are none, and a free port is chosen for the page.

    Args:
        profiles: further profiles to start, as for `up`.
        quiet: print nothing.

    Raises:
        Missing: Docker or Compose is not installed.
        NotAnswering: Docker's engine can't be used.
        ContainersError: the port is taken.
    """
    servers.docker(quiet=quiet)
    env = {**environment(), "COMPOSE_PROFILES": ",".join(profiles)}
    env["COMPOSE_PROJECT_NAME"] = project = _project()
    port = int(env.setdefault("CHAT_PORT", str(free_port())))
    if listens(port):
        raise ContainersError(
            f"port {port} is taken: set CHAT_PORT to another one, or stop what listens there "
            "(ss -ltnp)"
        )
    run([str(find_root() / "docker" / "secrets")], env)
    return Stack(project, env, _guard(env), quiet)


def build(tag: str = "nochat", *, target: str = "chat", quiet: bool = False) -> float:
    """Build the chat's image; return the seconds that it took.

    The variable `BASE_IMAGE` may name the base image, and `BUILD_CA` the file of a private
    authority that has issued the package indexes' certificates.

    Args:
        tag: the image's name.
        target: the target in the Dockerfile: `chat` or `bot`.
        quiet: print nothing.

    Raises:
        Missing: Docker is not installed.
        NotAnswering: Docker's engine can't be used.
        ContainersError: the build fails; the message has the end of its output.
    """
    servers.docker(quiet=quiet)
    bases.prepare("python", quiet=quiet)
    command = ["docker", "build", "--progress=plain", "--file=docker/Dockerfile"]
    command += [f"--target={target}", f"--tag={tag}", f"--build-arg=VERSION={__version__}"]
    if base := os.environ.get("BASE_IMAGE"):
        command.append(f"--build-arg=BASE_IMAGE={base}")
    if authority := os.environ.get("BUILD_CA"):
        command.append(f"--secret=id=ca,src={authority}")
    # By their names alone: their values may have a password.
    command += [f"--build-arg={name}" for name in proxies.outside(os.environ)]
    began, last = time.monotonic(), deque[str](maxlen=40)
    with (
        Board(quiet) as board,
        start([*command, "."], environment()) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            last.append(line)
            if step := STEP.match(line):
                board.say(step[1], f"{step[2]}  {step[3]:.80}")
        if process.wait():
            raise ContainersError(failure(command, "".join(last)))
        seconds = time.monotonic() - began
        board.say(tag, f"is built, in {seconds:.1f} s")
    return seconds


class Mine:
    """A label for what is created by hand: containers, networks, images. They go with this process.

    Attributes:
        label: the label, for `docker run --label`; images committed from its containers inherit it.
    """

    def __init__(self) -> None:
        folder = own_folder("mine")
        self.label = f"nochat.of={folder.name}"
        containers = f"docker ps --all --quiet --filter label={self.label}"
        networks = f"docker network ls --quiet --filter label={self.label}"
        images = f"docker images --quiet --filter label={self.label}"
        gone = f"{containers} | xargs -r docker rm -fv; {networks} | xargs -r docker network rm"
        gone += f"; {images} | xargs -r docker rmi -f"
        self._guard = when_gone(f"{THERE} && {{ {gone}; }}", folder)

    def remove(self) -> None:
        """Remove what has the label now; calling it again does nothing."""
        self._guard.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def layers(image: str) -> list[Layer]:
    """List the layers of an image, the lowest first, without empty ones.

    Raises:
        docker.errors.ImageNotFound: there is no such image here.
    """
    history = reversed(client().images.get(image).history())
    return [Layer(layer["CreatedBy"], layer["Size"]) for layer in history if layer["Size"]]


def client() -> DockerClient:
    """Return a client of Docker's SDK, connected to the engine in use."""
    return _client(servers.docker(quiet=True).url)


@cache
def _client(url: str) -> DockerClient:
    return DockerClient(base_url=url)


def _project() -> str:
    """Return a name that is unique to this checkout, so that two on one engine do not collide."""
    return f"nochat-{hashlib.sha256(str(find_root()).encode()).hexdigest()[:8]}"


def _guard(env: dict[str, str]) -> ChildProcess:
    """Start the guard that removes the project when this process has ended, however it did."""
    down = shlex.join([*compose(), *DOWN, "--volumes", "--timeout=2"])
    script = f"{THERE} && cd {shlex.quote(str(find_root()))} && timeout 60 {down}"
    return when_gone(script, own_folder("stack"), env=env | ALL)


# ---- Containers ---------------------------------------------------------------------------------


def _name(container: Container) -> str:
    number = container.labels["com.docker.compose.container-number"]
    service = container.labels["com.docker.compose.service"]
    return service if number == "1" else f"{service}-{number}"


def _state(container: Container) -> str:
    """Return the state in one word: `created`, `starting`, `healthy`, `restarting`, `done` …."""
    state: dict[str, Any] = container.attrs["State"]
    if state["Status"] == "exited" and state["ExitCode"] == 0:
        return "done"
    if state["Status"] != "running":
        return str(state["Status"])
    return str(state.get("Health", {}).get("Status", "running"))


def _tail(container: Container, lines: int = 15) -> str:
    written = readable(container.logs(tail=lines).decode(errors="replace"), lines)
    return "\n".join(f"    {line}" for line in written.splitlines())
