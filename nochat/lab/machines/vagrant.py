"""Vagrant, through python-vagrant, with its progress and explanations of its errors."""

import contextlib
import re
import signal
import subprocess
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nochat.lab.advice import explain
from nochat.lab.board import Board
from nochat.lab.errors import MachinesError
from nochat.lab.inventory import hosts

# A variable that marks the processes of `up`, with the name of their guard's folder.
MARK = "NOCHAT_MACHINE_GUARD"
INTERRUPT_SECONDS = 10

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SAID = re.compile(r"^(?:==>|   ) ([\w.-]+): +(\S.*)")
# The result of an Ansible task.
RESULT = re.compile(r"^(ok|changed|failed|fatal|skipping): \[([\w.-]+)")

# Patterns of Vagrant's errors, and what to do then; the first match counts.
ADVICE = (
    (r"[Nn]o space left on device", "the disk is full: make room, then run it again"),
    (
        r"port is already allocated|address already in use|cannot forward the specified ports",
        "a port is taken: stop what listens there (ss -ltnp), then run it again",
    ),
    (
        r"provider '[\w-]+' could not be found|provider plugin",
        "Vagrant lacks the provider's plugin: `nochat doctor` says how to install it",
    ),
    (
        r"permission denied while trying to connect to the Docker",
        "you may not use Docker: sudo usermod -aG docker $USER, and log in again",
    ),
    (r"Cannot connect to the Docker daemon", "Docker does not answer: start it, then run it again"),
    (
        r"box .*could not be found|Couldn't open file|[Ff]ailed to (download|pull)|"
        r"pull access denied|failed to resolve|dial tcp|Could not resolve host",
        "the box or image can't be fetched. Start JupyterLab with NOCHAT_OFFLINE=1, and it is made "
        "of Debian's packages, as by `make box`",
    ),
    (
        r"another process is already executing an action",
        "another `vagrant` works on this machine: wait for it to end, then run it again",
    ),
    (r"Ansible failed to complete", "see the task above; then run it again"),
    (r"Timed out while waiting for the machine to boot", "the machine is slow or lacks memory"),
)


@dataclass(frozen=True)
class VagrantFolder:
    """A folder with a Vagrantfile, and Vagrant's state folder for it."""

    root: Path
    dotfile: Path
    env: Mapping[str, str]

    def vagrant(self, **arguments: Any) -> Any:
        """Return python-vagrant's object for this folder."""
        from vagrant import Vagrant

        return Vagrant(  # type: ignore[no-untyped-call]
            root=str(self.root), env=dict(self.env), **arguments
        )

    def made(self) -> set[str]:
        """Return the names of the existing machines, running or not."""
        return {path.parts[-3] for path in self.dotfile.glob("machines/*/*/id")}


@contextlib.contextmanager
def _with_output() -> Iterator[int]:
    """Redirect Vagrant's standard error to its output."""
    yield subprocess.STDOUT


def up(
    vagrant_folder: VagrantFolder, name: str, provider: str, provision: bool, board: Board
) -> None:
    """Run `vagrant up`, and show its progress.

    Raises:
        MachinesError: it fails.
    """
    vagrant = vagrant_folder.vagrant(err_cm=_with_output)
    lines = vagrant.up(name or None, provider=provider, provision=provision, stream_output=True)
    _follow(lines, board)


def _follow(lines: Iterator[str], board: Board) -> None:
    last, counts = deque[str](maxlen=40), defaultdict[str, Counter[str]](Counter)
    try:
        for line in lines:
            last.append(plain := ANSI.sub("", line).rstrip())
            if "Running trigger" in plain or "action triggers" in plain:
                continue
            if said := SAID.match(plain):
                board.say(said[1], said[2])
            elif result := RESULT.match(plain):
                # Without the task: machines run in parallel, and a task's line names no machine.
                counts[result[2]] += Counter([result[1]])
                counted = ", ".join(
                    f"{number} {outcome}" for outcome, number in counts[result[2]].items()
                )
                board.say(result[2], f"Ansible: {counted}")
    except subprocess.CalledProcessError as error:
        raise _failure(error, "\n".join(last)) from None
    except BaseException:
        _end_vagrant()
        raise


def destroy(vagrant_folder: VagrantFolder, name: str | None) -> None:
    """Run `vagrant destroy` for a machine, or for all of them.

    Raises:
        MachinesError: it fails.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        to_output = lambda: contextlib.nullcontext(output)  # noqa: E731
        vagrant = vagrant_folder.vagrant(out_cm=to_output, err_cm=to_output)
        try:
            vagrant.destroy(name)
        except subprocess.CalledProcessError as error:
            output.seek(0)
            raise _failure(error, ANSI.sub("", output.read())) from None


def _failure(error: subprocess.CalledProcessError, output: str) -> MachinesError:
    return MachinesError(explain(["vagrant", *error.cmd[1:]], output, ADVICE))


def _end_vagrant() -> None:
    """Interrupt Vagrant, so that it stops in order and releases its lock."""
    ours = [child for child in psutil.Process().children(recursive=True) if _is_vagrants(child)]
    for process in ours:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    for process in psutil.wait_procs(ours, timeout=INTERRUPT_SECONDS)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _is_vagrants(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return MARK in process.environ()
    return False


def ssh_configs(vagrant_folder: VagrantFolder) -> str:
    """Return Vagrant's SSH configuration of the running machines, by one call if all run."""
    text = _ssh_config(vagrant_folder)
    missing = vagrant_folder.made() - {name for name, _ in hosts(text)}
    return text + "".join(_ssh_config(vagrant_folder, name) for name in sorted(missing))


def _ssh_config(vagrant_folder: VagrantFolder, name: str | None = None) -> str:
    try:
        return str(vagrant_folder.vagrant().ssh_config(name))
    except subprocess.CalledProcessError as error:
        # Vagrant stops at the first machine that does not run.
        return str(error.output.decode())
