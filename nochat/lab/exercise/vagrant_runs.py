"""Vagrant, as judges run it: in a folder of their own choice, with what it made of the file."""

import csv
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nochat.lab import surroundings
from nochat.lab.machines.vagrant import ANSI

LOOK = Path(__file__).with_name("look.rb")
MOST_SECONDS = 300.0  # of a command, on a busy machine
TIMEOUT = "Timeout"  # the error of a command that did not end
RUBY = re.compile(r"^\S+\.rb:\d+:in .+?: (.+ \(\w+\))$", re.M)  # how a program in Ruby fails
MOST_SAID = 300  # characters of an output
# Variables that would lead to other machines, or to more of them.
OTHERS = ("VAGRANT_DOTFILE_PATH", "NOCHAT_MACHINE_COUNT")


@dataclass(frozen=True)
class Seen:
    """A machine, as Vagrant has merged its settings.

    Attributes:
        name: its name.
        hostname: its name as it says it; "" for none.
        networks: their options, with their `kind`.
        playbooks: those of Ansible, each with its `playbook` and `groups`.
    """

    name: str
    hostname: str
    networks: list[dict[str, Any]]
    playbooks: list[dict[str, Any]]

    @property
    def address(self) -> str:
        """Its address in a private network; "" for none."""
        private = (each for each in self.networks if each["kind"] == "private_network")
        return next((str(each["ip"]) for each in private if each.get("ip")), "")


@dataclass(frozen=True)
class Ran:
    """A command of Vagrant, which has ended.

    Attributes:
        error: the class of its error, without its module; "" for none.
        said: the message of that error, or the last lines of its output.
        machines: those of the Vagrantfile, by their names.
        lines: its output for machines: name, kind, data.
    """

    error: str
    said: str
    machines: dict[str, Seen]
    lines: list[tuple[str, str, str]]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return variables with which Vagrant finds the machines of a folder, made by Docker."""
    inherited = surroundings.with_programs()
    ours = {name: value for name, value in inherited.items() if name not in OTHERS}
    ours |= {"VAGRANT_DEFAULT_PROVIDER": "docker", **variables}
    return surroundings.of_vagrant(ours, folder)


def run(folder: Path, notes: Path, *command: str, taking: bool = False, **variables: str) -> Ran:
    """Run a command of Vagrant in a folder.

    Args:
        folder: the folder of the Vagrantfile.
        notes: a folder of the judge's own.
        command: the command with its options, such as `up`.
        taking: take the ports that the file asks for, until Vagrant has ended.
        variables: further ones of the environment.
    """
    looked = notes / "looked"
    looked.write_text("", encoding="utf-8")
    env = environment(folder, **variables)
    env |= {"VAGRANT_VAGRANTFILE": str(LOOK), "NOCHAT_LOOK": str(looked)}
    env |= {"NOCHAT_LOOK_TAKE": "1"} if taking else {}
    try:
        ran = subprocess.run(
            ["vagrant", *command, "--machine-readable"],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=MOST_SECONDS,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(TIMEOUT, f"it did not end in {MOST_SECONDS:.0f} seconds", {}, [])
    machines = {seen["name"]: _seen(seen) for seen in map(json.loads, _lines(looked))}
    return _result(ran.returncode, ran.stdout, machines)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _seen(seen: Mapping[str, Any]) -> Seen:
    return Seen(seen["name"], seen["hostname"] or "", seen["networks"], seen["playbooks"])


def _result(code: int, output: str, machines: dict[str, Seen]) -> Ran:
    rows = [row for row in csv.reader(output.splitlines(), quoting=csv.QUOTE_NONE) if len(row) > 3]
    lines = [(row[1], row[2], _plain(",".join(row[3:]))) for row in rows]
    errors = [data for _, kind, data in lines if kind == "error-exit"]
    if errors:
        name, _, said = errors[-1].partition(",")
        return Ran(name.rpartition("::")[2], " ".join(said.split()), machines, lines)
    crashed = RUBY.search(output)
    said = crashed[1] if crashed else " ".join(_plain(output).split())[-MOST_SAID:]
    return Ran("" if code == 0 else "Status", said, machines, lines)


def _plain(text: str) -> str:
    text = ANSI.sub("", text)
    return text.replace("%!(VAGRANT_COMMA)", ",").replace("\\n", "\n").replace("\\r", "")
