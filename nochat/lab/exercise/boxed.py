"""The machine of a student's Vagrantfile, as seen from outside: by Docker, and by HTTP."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from nochat.lab.exercise import vagrant_runs
from nochat.lab.exercise.vagrant_runs import Ran
from nochat.lab.folders import own_folder
from nochat.lab.machines.guards import guard
from nochat.lab.machines.vagrant import MARK, VagrantFolder
from nochat.local.processes import until

SSH = "22/tcp"
NETWORKS = "vagrant_network"  # how the names of those begin that Vagrant makes
MOST_READ, MOST_SHOWN = 10_000, 100  # characters of an answer
SETTLE_SECONDS = 5.0  # in which processes of a log-in end
# Files that come and go without anybody's script.
PASSING = ("/run", "/tmp", "/var/log", "/var/cache", "/var/tmp", "/home", "/root")  # noqa: S108


@dataclass(frozen=True)
class State:
    """The files of a container that are not its image's, and its processes but those of SSH."""

    files: frozenset[str]
    processes: tuple[str, ...]


class Boxed:
    """The machines of a Vagrantfile in an empty folder; they end with this process.

    Args:
        file: the Vagrantfile.
    """

    def __init__(self, file: Path) -> None:
        self._notes = own_folder("judge")
        self._folder = self._notes / "own"
        self._folder.mkdir()
        shutil.copyfile(file, self._folder / "Vagrantfile")
        env = vagrant_runs.environment(self._folder)
        made = VagrantFolder(self._folder, self._folder / ".vagrant", env)
        self._guard = guard(made, self._notes)
        self._seen: list[dict[str, Any]] = []

    def run(self, *command: str, taking: bool = False, **variables: str) -> Ran:
        """Run a command of Vagrant; `vagrant_runs.run` has the arguments."""
        marked = variables | {MARK: self._guard.folder.name}
        return vagrant_runs.run(self._folder, self._notes, *command, taking=taking, **marked)

    @property
    def _ids(self) -> list[str]:
        found = sorted(self._folder.glob(".vagrant/machines/*/docker/id"))
        return [path.read_text(encoding="utf-8") for path in found]

    def look(self) -> None:
        """Look at the containers: their ports, volumes and networks."""
        ids = self._ids
        self._seen = json.loads(_docker("inspect", *ids)) if ids else []

    @property
    def urls(self) -> list[str]:
        """The ports of this computer that lead to the machines, without those for SSH."""
        return list(self._urls())

    def _urls(self) -> Iterator[str]:
        for each in self._seen:
            for port, places in (each["NetworkSettings"]["Ports"] or {}).items():
                for place in places or ():
                    address = "127.0.0.1" if place["HostIp"] in ("", "0.0.0.0") else place["HostIp"]  # noqa: S104
                    if port != SSH and ":" not in address:
                        yield f"http://{address}:{place['HostPort']}/"

    def get(self, url: str) -> str | None:
        """Return what is served there; None for no answer."""
        try:
            answer = httpx.get(url, timeout=3, trust_env=False)
        except httpx.HTTPError:
            return None
        return answer.text.strip()[:MOST_READ]

    def state(self) -> State:
        """Return what the containers have now."""
        files, processes = set(), list[str]()
        for each in self._seen:
            for line in _docker("diff", each["Id"]).splitlines():
                kind, _, path = line.partition(" ")
                if kind == "A" and not path.startswith(PASSING) and "__pycache__" not in path:
                    files.add(path)
            listed = _docker("top", each["Id"], "-eo", "pid,args").splitlines()[1:]
            processes += [line.split(None, 1)[1] for line in listed if "sshd" not in line]
        return State(frozenset(files), tuple(sorted(processes)))

    def more_than(self, before: State) -> str:
        """Say what is there now and was not before; "" for nothing."""
        now = self.state()

        def is_calm() -> bool:
            nonlocal now
            now = self.state()
            return len(now.processes) <= len(before.processes)

        if not until(is_calm, SETTLE_SECONDS, pause=0.2):
            counted = f"{len(now.processes)} processes, and {len(before.processes)} before"
            return f"{counted}: {', '.join(now.processes)[:MOST_SHOWN]}"
        if len(now.files) > len(before.files):  # one may be in the place of another
            return f"a new file {min(now.files - before.files)}"
        return ""

    def left(self) -> str:
        """Say what of the machines is still there; "" for nothing."""
        for each in self._seen:
            if _is_there("container", each["Id"]):
                return f"the container {each['Name'].strip('/')}"
        return next(
            (f"the {kind} {name}" for kind, name in self._own() if _is_there(kind, name)), ""
        )

    def _own(self) -> Iterator[tuple[str, str]]:
        """Yield the volumes and networks that came with the containers."""
        for each in self._seen:
            for mount in each["Mounts"]:
                if mount["Type"] == "volume":
                    yield "volume", mount["Name"]
            for network in each["NetworkSettings"]["Networks"]:
                if network.startswith(NETWORKS):
                    yield "network", network

    def remove(self) -> None:
        """Remove what is left of the machines, without asking Vagrant."""
        if ids := self._ids:
            if not self._seen:
                self.look()
            _docker("rm", "--force", "--volumes", *ids)
        for kind, name in self._own():
            _docker(kind, "rm", name)
        self._guard.release()


def _is_there(kind: str, name: str) -> bool:
    asked = ["docker", kind, "inspect", name]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return ran.stdout
