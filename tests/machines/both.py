"""What is done to both machines and seen of them, whoever made them."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from nochat.lab import verify
from nochat.lab.machines import Farm, provision

INSIDE = (4369, 5672, 15672, 25672, 27017)  # what only the machine itself may reach
NAMES = ("containers-host", "database-host")


def play(farm: Farm, *playbooks: str, limit: str = "") -> list[str]:
    """Run playbooks side by side; returns what they changed."""

    def run(name: str) -> list[provision.Task]:
        return provision.ansible(name, farm.inventory, limit=limit, quiet=True).changed

    with ThreadPoolExecutor() as pool:
        return [task.name for changed in pool.map(run, playbooks) for task in changed]


def intrude(farm: Farm) -> None:
    """What must not work does not: from outside, and from the machine itself without a password."""
    verify.closed(farm.reach("containers-host"), INSIDE)
    with farm.tunnel("containers-host", 5672) as tunnel:
        server = f"127.0.0.1:{tunnel.port}"
        verify.refused(f"amqp://guest:guest@{server}/", f"amqp://nochat:wrong@{server}/nochat")


def answers(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=3):
        return True
    return False


def noted() -> Path:
    """Where Vagrant notes what the farms of these tests are."""
    return Path(os.environ["VAGRANT_DOTFILE_PATH"])


def keys(folder: Path) -> list[Path]:
    return list(folder.glob("machines/*/*/private_key"))


def known_hosts() -> bytes:
    path = Path.home() / ".ssh" / "known_hosts"
    return path.read_bytes() if path.exists() else b""


@contextmanager
def process(script: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python, in a process group of its own as a kernel is; killed at the end."""
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def line_with(text: str, started: subprocess.Popen[str]) -> str:
    """Wait for a line of what it writes."""
    seen = []
    for line in iter(started.stdout.readline, ""):
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"ended without {text!r}:\n{''.join(seen)}")
