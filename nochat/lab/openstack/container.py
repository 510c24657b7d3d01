"""An LXC container with a whole system, which ends with this process."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nochat.lab.waiting import until_ready
from nochat.local.processes import ChildProcess, NotReady, start_child

START_SECONDS = 180.0
# A temporary folder on a disk; on some systems, /tmp is in memory.
FOLDER = "/var/tmp"  # noqa: S108
RUN = Path(__file__).with_name("container.sh")
STOP_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Container:
    """A running container.

    Attributes:
        folder: the folder of its root file system and configuration, of the container's name.
        child: the process that keeps it.
    """

    folder: Path
    child: ChildProcess

    @property
    def root(self) -> Path:
        """Its root file system."""
        return self.folder / "rootfs"

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command in it, and return its output.

        Args:
            command: the program and its arguments.
            env: variables for secrets, which arguments would expose.

        Raises:
            NotReady: it failed; the message has the end of its output.
        """
        where = ["-n", self.folder.name, "-P", str(self.folder.parent)]
        ran = subprocess.run(
            ["lxc-attach", "--keep-env", *where, "--", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ran.returncode:
            tail = "\n".join(ran.stdout.splitlines()[-20:])
            raise NotReady(f"{' '.join(command)} failed. It ends:\n{tail}")
        return ran.stdout

    def stop(self) -> None:
        """Stop and remove the container."""
        self.child.stop()


def start(box: Path, config: str, files: Mapping[str, str]) -> Container:
    """Start a container, and wait until systemd runs in it.

    Args:
        box: archive of its root file system.
        config: LXC's configuration, without the name and the folders.
        files: further files for it, by their path.

    Raises:
        NotReady: it does not start; the message has the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="nochat-cloud-", dir=FOLDER))
    (folder / "rootfs").mkdir()
    (folder / "rootfs").chmod(0o755)  # whatever the umask, as below
    (folder / "config").write_text(
        f"{config}\nlxc.rootfs.path = dir:{folder}/rootfs\n", encoding="utf-8"
    )
    for path, text in files.items():
        file = folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    child = start_child(
        ["/bin/sh", RUN, folder, folder.name, box],
        log=folder / "log",
        remove=folder,
        grace=STOP_SECONDS,
    )
    container = Container(folder, child)
    try:
        until_ready(lambda: _is_up(container), START_SECONDS, "the machine", child, quiet=True)
    except BaseException:
        container.stop()
        raise
    return container


def _is_up(container: Container) -> bool:
    try:
        # "degraded" means that a unit failed, which may be an irrelevant one.
        container.run(
            "sh", "-c", "systemctl is-system-running --wait | grep -Ex 'running|degraded'"
        )
    except NotReady:
        return False
    return True
