"""An LXC container that runs one program, from a Docker image and on a Docker network.

It repeats Docker's steps: unpack the image, set process 1, add a network interface and limits,
start it.
"""

import ipaddress
import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from nochat.lab.containers import stack
from nochat.lab.errors import LxcError
from nochat.lab.folders import own_folder
from nochat.lab.servers import NotAnswering
from nochat.lab.shell import script
from nochat.lab.waiting import blocking, until_ready
from nochat.local import doctor
from nochat.local.processes import ChildProcess, NotReady, start_child, when_gone

FOLDER = Path("/var/lib/lxc")
STARTING = 30.0  # seconds, and more while it is busy
# Settings for both versions of cgroups: LXC uses the kernel's.
CONFIG = """\
lxc.uts.name = {host}
lxc.init.cmd = {command}
lxc.init.cwd = {cwd}
lxc.init.uid = {user}
lxc.init.gid = {group}
lxc.net.0.type = veth
lxc.net.0.link = {bridge}
lxc.net.0.flags = up
lxc.net.0.hwaddr = {hardware}
lxc.net.0.ipv4.address = {address}/{prefix}
lxc.console.path = none
lxc.mount.auto = proc:mixed sys:ro
lxc.apparmor.profile = unconfined
lxc.cap.keep = none
lxc.no_new_privs = 1
lxc.cgroup.memory.limit_in_bytes = {memory}
lxc.cgroup2.memory.max = {memory}
lxc.cgroup.pids.max = {processes}
lxc.cgroup2.pids.max = {processes}
"""

# In the foreground, as LXC otherwise discards the program's output. With a umask that lets the
# program, which runs as another user, read the mount points that LXC creates.
START = ("/bin/sh", "-c", 'umask 022; exec lxc-start --foreground --name "$1"', "sh")

GONE = Path(__file__).with_name("lxc_gone.sh")


@dataclass
class Container:
    """A container, started by `start`. It is removed with this process.

    Attributes:
        name: its name for LXC's commands.
        address: its address on its network, once it runs.
    """

    name: str
    address: str
    _guard: ChildProcess = field(repr=False)
    _started: ChildProcess | None = field(default=None, repr=False)

    @property
    def root(self) -> Path:
        """The folder of its root file system."""
        return FOLDER / self.name / "rootfs"

    @property
    def log(self) -> Path:
        """The file with its program's output."""
        return self._guard.log.with_name("program")

    def start(self) -> None:
        """Start it, and wait until it runs.

        Raises:
            LxcError: its program does not start.
        """
        _run("lxc-info", "--name", self.name)  # fails if it is gone
        self._stop()
        self._started = start_child([*START, self.name], log=self.log, grace=0)
        self._wait(self._runs)

    def until(self, said: str) -> None:
        """Wait until its program has written a text.

        Raises:
            LxcError: the program has ended or is idle; the message has the end of its output.
        """
        self._wait(lambda: said in self.log.read_text(encoding="utf-8", errors="replace"))

    def run(self, *command: str) -> str:
        """Run a command inside, as root; return its output.

        Raises:
            LxcError: it fails, or the container does not run.
        """
        return _run("lxc-attach", "--clear-env", "--name", self.name, "--", *command)

    def process(self) -> int:
        """Return the id that its process 1 has outside.

        Raises:
            LxcError: it does not run.
        """
        return int(_run("lxc-info", "--name", self.name, "--pid", "--no-humanize"))

    def destroy(self) -> None:
        """Stop it and remove it with its snapshots; calling it again does nothing."""
        self._guard.stop()
        self._stop()

    def _stop(self) -> None:
        if self._started:
            self._started.stop()

    def _runs(self) -> bool:
        state = _run("lxc-info", "--name", self.name, "--state", "--no-humanize")
        return state.strip() == "RUNNING"

    def _wait(self, ready: Callable[[], bool]) -> None:
        if not self._started:
            raise LxcError(f"{self.name} was not started")
        try:
            until_ready(ready, STARTING, f"the program of {self.name}", self._started)
        except NotReady as error:
            raise LxcError(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()


def create(
    name: str,
    image: str,
    *command: str,
    network: str,
    hosts: Mapping[str, str] | None = None,
    files: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    memory: int = 128 * 2**20,
    processes: int = 100,
) -> Container:
    """Create an LXC container that runs a Docker image's program.

    Args:
        name: its host name; LXC's own name of it is longer, and unique.
        image: the Docker image to unpack.
        command: arguments of the image's entry point.
        network: its Docker network, where it gets the last address.
        hosts: addresses of other hosts, by name, as it can't use Docker's name server.
        files: files of this computer to mount, by their absolute path inside.
        environment: further variables, beside the image's own.
        memory: limit of its memory, in bytes.
        processes: limit of its processes.

    Raises:
        Missing: LXC is not installed.
        NotAnswering: this process does not run as root.
        docker.errors.NotFound: there is no such image or network.
    """
    doctor.require("lxc")
    if os.geteuid() != 0:
        raise NotAnswering("only root may make such a container of LXC: use sudo")
    engine = stack.client()
    config, net = engine.images.get(image).attrs["Config"], engine.networks.get(network).attrs
    interface = _last_address(net["IPAM"]["Config"][0]["Subnet"])
    user, _, group = config["User"].partition(":")
    lines = CONFIG.format(
        host=name,
        # `env` looks up the program on the path, as Docker does.
        command=shlex.join(["/usr/bin/env", *config["Entrypoint"], *command]),
        cwd=config["WorkingDir"] or "/",
        user=user or 0,
        group=group or user or 0,
        bridge=net["Options"].get("com.docker.network.bridge.name", f"br-{net['Id'][:12]}"),
        # Derived from the address, as Docker does: neighbours cache it for a minute, and a new one
        # would make them send to a container that is gone.
        hardware=":".join(f"{byte:02x}" for byte in b"\x02\x42" + interface.ip.packed),
        address=interface.ip,
        prefix=interface.network.prefixlen,
        memory=memory,
        processes=processes,
    )
    variables = [*config["Env"], *(f"{key}={value}" for key, value in (environment or {}).items())]
    lines += "".join(f"lxc.environment = {variable}\n" for variable in variables)
    for path, file in (files or {}).items():
        entry = f"{file} {path.lstrip('/')} none bind,ro,create=file"
        lines += f"lxc.mount.entry = {entry}\n"
    made = _made(f"nochat-{name}-{secrets.token_hex(3)}", str(interface.ip), lines)
    try:
        _unpack(image, made.root)
        names = {name: str(interface.ip), **(hosts or {})}
        table = "".join(f"{address} {host}\n" for host, address in names.items())
        (made.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{table}", encoding="utf-8")
    except BaseException:
        made.destroy()
        raise
    return made


def _made(name: str, address: str, config: str) -> Container:
    """Create an empty container, and the guard that removes it when this process ends."""
    folder = own_folder("lxc-program")
    guard = when_gone(script(GONE, name=name), folder)
    file = folder / "config"
    file.write_text(config, encoding="utf-8")
    made = Container(name, address, guard)
    try:
        _run("lxc-create", "--name", name, "--template", "none", "--config", str(file))
        made.root.mkdir()
        made.root.chmod(0o755)  # whatever the umask: the program runs as another user
        with (made.root.parent / "config").open("a", encoding="utf-8") as lines:
            lines.write(f"lxc.rootfs.path = dir:{made.root}\n")
    except BaseException:
        made.destroy()
        raise
    return made


def _unpack(image: str, root: Path) -> None:
    """Unpack an image's file system, with its layers merged by Docker's export."""
    source = stack.client().containers.create(image)
    try:
        with (
            blocking(f"the image {image} to be unpacked"),
            subprocess.Popen(
                ["tar", "--extract", "--directory", root], stdin=subprocess.PIPE
            ) as tar,
        ):
            assert tar.stdin
            for chunk in source.export():
                tar.stdin.write(chunk)
        if tar.returncode:
            raise LxcError(f"{image} can't be unpacked into {root}: is the disk full?")
    finally:
        source.remove(v=True)


def _last_address(subnet: str) -> ipaddress.IPv4Interface:
    """Return the last address of a network, as Docker assigns them from the first on."""
    network = ipaddress.IPv4Network(subnet)
    return ipaddress.IPv4Interface((network[-2], network.prefixlen))


def _run(*command: str) -> str:
    with blocking(f"`{shlex.join(command):.80}`"):
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip()
        raise LxcError(f"`{shlex.join(command)}` ended with status {ran.returncode}: {said}")
    return ran.stdout
