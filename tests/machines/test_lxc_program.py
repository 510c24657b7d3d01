"""vagrant/lxc.sh, which does for Vagrant what wants root: what an interrupt leaves, and a refusal.

A box that never ends holds it in the middle; nothing boots here.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import needs_root

PROGRAM = ("/bin/sh", str(Path(__file__).parents[2] / "vagrant" / "lxc.sh"))
pytestmark = needs_root


class Container:
    """A container that lxc.sh is told to make of a box that nobody writes."""

    def __init__(self, folder: Path) -> None:
        self.name, self._box = f"nochat-test-{secrets.token_hex(4)}", folder
        self.folder = Path("/var/lib/lxc", self.name)
        os.mkfifo(folder / "rootfs.tar")

    def does(self, action: str) -> str:
        ran = subprocess.run(
            [*PROGRAM, action, self.name], capture_output=True, text=True, check=True, input=""
        )
        return ran.stdout.strip()

    @contextmanager
    def half(self) -> Iterator["subprocess.Popen[bytes]"]:
        """It is being unpacked, and the box does not go on."""
        box = [str(self._box), "1", "some-host", "vagrant", "ssh-ed25519 AAAA"]
        process = subprocess.Popen(
            [*PROGRAM, "create", self.name, *box], process_group=0, stderr=subprocess.DEVNULL
        )
        with (self._box / "rootfs.tar").open("wb"):  # waits for who reads it
            yield process
            process.wait(20)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.does("remove")
    assert not made.folder.exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing(container: Container, signum: signal.Signals) -> None:
    with container.half() as process:
        os.killpg(process.pid, signum)
    assert process.returncode == 130
    assert not container.folder.exists()


def test_a_half_made_container_is_not_mistaken_for_a_whole_one(container: Container) -> None:
    with container.half() as process:
        os.killpg(process.pid, signal.SIGKILL)
    assert container.folder.exists()
    assert container.does("info") == "NOT_CREATED"


def test_errors_of_lxc_are_shown_and_leave_nothing_stuck(container: Container) -> None:
    container.folder.mkdir()
    (container.folder / "config").write_text("lxc.nonsense = 1\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        container.does("start")
    assert "nonsense" in refused.value.stderr
