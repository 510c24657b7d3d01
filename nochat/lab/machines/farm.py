"""Running machines: functions to start, reach and destroy them."""

import ipaddress
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Self

from nochat.lab import bases, servers, surroundings
from nochat.lab.board import Board
from nochat.lab.errors import MachinesError
from nochat.lab.folders import find_root
from nochat.lab.inventory import (
    CONTAINERS_HOST,
    DATABASE_HOST,
    SSH_OPTIONS,
    groups,
    hosts,
    variables,
)
from nochat.lab.machines import vagrant
from nochat.lab.machines.guards import Guard, guard
from nochat.lab.machines.own import put_back
from nochat.lab.machines.vagrant import MARK, VagrantFolder
from nochat.lab.surroundings import MACHINES
from nochat.lab.waiting import blocking, until_ready
from nochat.local import doctor
from nochat.local.processes import ChildProcess, free_port, listens, start_child

# The programs that a provider needs on this computer.
NEEDS: dict[str, tuple[str, ...]] = {
    "docker": (),  # `servers.docker` has a better message
    "lxc": ("lxc",),
    "libvirt": ("vagrant-libvirt",),
    "virtualbox": (),
    "openstack": (),
    "azure": (),
}
# For playbooks that install everything on one machine: `limit` chooses which.
WHOLE = (CONTAINERS_HOST, DATABASE_HOST)
# The Vagrantfile's private addresses: the second range is VirtualBox's.
PRIVATE = tuple(map(ipaddress.ip_network, (MACHINES, "192.168.56.0/21")))
TUNNEL_SECONDS = 20


@dataclass(frozen=True)
class Tunnel:
    """A local port that is forwarded to a machine. Use it in `with`, or stop `child`.

    Attributes:
        port: the port on 127.0.0.1.
        child: the process of ssh.
    """

    port: int
    child: ChildProcess

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop()


class Farm:
    """Running machines. They are destroyed with this process, unless they existed before it.

    Attributes:
        provider: their provider.
        hosts: the SSH options of each: `hostname`, `port`, `user`, `identityfile`.
    """

    def __init__(
        self, vagrant_folder: VagrantFolder, provider: str, guard: Guard, quiet: bool
    ) -> None:
        self._vagrant_folder, self._guard, self._quiet = vagrant_folder, guard, quiet
        self.provider = provider
        self._ssh_config = vagrant.ssh_configs(vagrant_folder)
        self.hosts = dict(hosts(self._ssh_config))

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The address of each machine, as the others reach it."""
        return {name: self._address(name) for name in self.hosts}

    @cached_property
    def inventory(self) -> Path:
        """A private hosts file for Ansible and Rex, in the form that people write by hand."""
        return self._write("hosts", self.hosts_file(self.hosts, groups(WHOLE)))

    @cached_property
    def ssh_config(self) -> Path:
        """A configuration for `ssh -F`, with every machine by its name."""
        return self._write("ssh_config", self._ssh_config)

    def hosts_file(self, names: Iterable[str], groups: Mapping[str, Sequence[str]]) -> str:
        """Return the text of a hosts file with these machines, in these groups."""
        names, lines = [*names], []
        for name in names:
            pairs = variables(self.hosts[name]).items()
            given = (f"{key}={shlex.quote(value)}" for key, value in pairs)
            lines.append(" ".join([name, *given]))
        for group, members in groups.items():
            lines += ["", f"[{group}]", *(name for name in members if name in names)]
        lines += ["", "[all:vars]", "ansible_python_interpreter=/usr/bin/python3"]
        lines += [f"machine_addresses={json.dumps(self.addresses)}", ""]
        return "\n".join(lines)

    def status(self) -> dict[str, str]:
        """Return Vagrant's state of every machine: `running`, `stopped`, `not_created` …"""
        with blocking("what `vagrant status` says"):
            return {
                machine.name: machine.state
                for machine in self._vagrant_folder.vagrant().status()
                if machine.name
            }

    def ssh(self, name: str, command: str, *, what: str = "") -> str:
        """Run a command on a machine; return its output.

        Args:
            name: the machine.
            command: the command.
            what: what a notice says is awaited; its first words if it is "".

        Raises:
            MachinesError: the machine can't be reached, or the command fails.
        """
        with tempfile.TemporaryFile() as output:
            self._ssh(name, command, output, what)
            output.seek(0)
            return output.read().decode()

    def fetch(self, name: str, command: str, path: Path) -> None:
        """Run a command on a machine, and write its output to a file here.

        Raises:
            MachinesError: the machine can't be reached, or the command fails.
        """
        with path.open("wb") as output:
            self._ssh(name, command, output)

    def _ssh(self, name: str, command: str, output: IO[bytes], what: str = "") -> None:
        argv = ["ssh", "-F", str(self.ssh_config), *shlex.split(SSH_OPTIONS)]
        argv += ["-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", self._known(name), command]
        what = what or f"`{' '.join(command.split()):.60}`"
        with blocking(f"{what} on {name}", quiet=self._quiet):
            ran = subprocess.run(
                argv, stdout=output, stderr=subprocess.PIPE, check=False, stdin=subprocess.DEVNULL
            )
        reason = ran.stderr.decode(errors="replace").strip()
        if ran.returncode == 255:
            raise MachinesError(f"{name} can't be reached by SSH: {reason}")
        if ran.returncode:
            raise MachinesError(f"{name}: `{command}` ended with status {ran.returncode}: {reason}")

    def url(self, name: str, port: int, scheme: str = "http") -> str:
        """Return the URL of a port of a machine, as this computer reaches it."""
        if self.provider == "docker":
            argv = ["docker", "port", self.container(name), f"{port}/tcp"]
            ran = subprocess.run(
                argv, env=self._vagrant_folder.env, capture_output=True, text=True, check=False
            )
            if ran.returncode == 0:
                return f"{scheme}://{ran.stdout.split()[0]}"
        return f"{scheme}://{self.reach(name)}:{port}"

    def container(self, name: str) -> str:
        """Return the id of a Docker machine's container."""
        notes = self._vagrant_folder.dotfile / "machines" / self._known(name) / "docker" / "id"
        return notes.read_text(encoding="utf-8")

    def reach(self, name: str) -> str:
        """Return the address at which this computer reaches a machine.

        It is not always one of `addresses`: those of LXC machines lead out of this computer.
        """
        address = self.hosts[self._known(name)]["hostname"]
        is_forwarded = address == "127.0.0.1"
        return self.addresses[name] if is_forwarded else address

    def tunnel(self, name: str, port: int, *, to: str = "127.0.0.1") -> Tunnel:
        """Forward a local port to one of a machine, or of a host that it reaches, through SSH.

        Args:
            name: the machine.
            port: the port on the host.
            to: the host, as the machine calls it; its own 127.0.0.1 if not given.

        Raises:
            NotReady: the machine can't be reached.
        """
        local = free_port()
        argv = ["ssh", "-F", str(self.ssh_config), *shlex.split(SSH_OPTIONS), "-N"]
        argv += ["-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:{to}:{port}"]
        log = self._guard.folder / "tunnels"
        child = start_child([*argv, self._known(name)], log=log)
        try:
            until_ready(lambda: listens(local), TUNNEL_SECONDS, f"the tunnel to {name}", child)
        except BaseException:
            child.stop()
            raise
        return Tunnel(local, child)

    def destroy(self, *names: str) -> None:
        """Destroy the machines that this process created; calling it again does nothing.

        Args:
            names: the machines to destroy; all of them if none is given.

        Raises:
            MachinesError: Vagrant fails.
        """
        if not self._guard.child.alive:
            return
        made = sorted(self._vagrant_folder.made() - self._guard.before)
        ours = [machine for machine in made if machine in names] if names else made
        whole = ours == made and not self._guard.before
        with Board(self._quiet) as board:
            board.say("vagrant", f"destroys {', '.join(ours)}")
            # All at once, if all are ours: that starts Vagrant only once.
            for name in [None] if whole else ours:
                vagrant.destroy(self._vagrant_folder, name)
            board.say("vagrant", "machines destroyed: " + ", ".join(ours))
        if ours == made:
            self._guard.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def __repr__(self) -> str:
        machines = ", ".join(f"{name} at {self.addresses[name]}" for name in self.hosts)
        return f"<Farm of {self.provider}: {machines}>"

    def _known(self, name: str) -> str:
        if name not in self.hosts:
            raise MachinesError(f"no machine {name} runs; there are: {', '.join(self.hosts)}")
        return name

    def _address(self, name: str) -> str:
        addresses = self.ssh(name, "hostname --all-ip-addresses").split()
        private = (
            address
            for address in addresses
            if any(ipaddress.ip_address(address) in net for net in PRIVATE)
        )
        # In a cloud it is the first one; clients outside may use yet another.
        return next(private, addresses[0])

    def _write(self, name: str, text: str) -> Path:
        path = self._guard.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path


def up(
    name: str = "",
    *,
    provider: str = "docker",
    provision: bool = True,
    dotfile: str = "",
    quiet: bool = False,
) -> Farm:
    """Start the machines, as `vagrant up` does, and show the progress.

    After an interrupt, run it again.

    Args:
        name: one machine; all of them if empty.
        provider: the provider, as `docker` or `lxc`.
        provision: run their playbooks, too.
        dotfile: Vagrant's state folder in the project's folder; if empty, that in
            `VAGRANT_DOTFILE_PATH`, or `.vagrant`. Each has machines of its own, of one provider.
        quiet: print nothing.

    Raises:
        Missing: a program that the provider needs is not installed.
        NotAnswering: Docker's engine, or the bridge of LXC machines, can't be used.
        MachinesError: Vagrant fails, or there is no such provider.
        ContainersError: with `NOCHAT_OFFLINE`, the base of the machines can't be made.
    """
    vagrant_folder = _prepare(provider, dotfile, quiet)
    watch = guard(vagrant_folder)
    marked = replace(vagrant_folder, env={**vagrant_folder.env, MARK: watch.folder.name})
    with Board(quiet) as board:
        board.say("vagrant", f"starts, with {provider}")
        vagrant.up(marked, name, provider, provision, board)
        farm = Farm(vagrant_folder, provider, watch, quiet)
        for machine, address in farm.addresses.items():
            board.say(machine, f"runs at {address}")
        board.say("vagrant", f"is done: {len(farm.hosts)} machines run")
    return farm


def watch(*, provider: str = "docker", dotfile: str = "", quiet: bool = False) -> None:
    """Prepare for a `vagrant up` by hand: what it makes is destroyed with this process.

    Args:
        provider: the provider, as `docker` or `lxc`.
        dotfile: Vagrant's state folder, as for `up`.
        quiet: print nothing.

    Raises:
        Missing: a program that the provider needs is not installed.
        NotAnswering: Docker's engine, or the bridge of LXC machines, can't be used.
        MachinesError: there is no such provider.
    """
    guard(_prepare(provider, dotfile, quiet))


def _prepare(provider: str, dotfile: str, quiet: bool) -> VagrantFolder:
    """Check that a provider's needs are met, and start its missing servers."""
    if provider not in NEEDS:
        raise MachinesError(f"there is no provider {provider!r}; there are: {', '.join(NEEDS)}")
    put_back()
    for need in ("vagrant", "ssh", *NEEDS[provider]):
        doctor.require(need)
    if provider == "docker":
        servers.docker(quiet=quiet)
    if provider == "lxc":
        servers.lxc_bridge(quiet=quiet)
    bases.prepare(provider, quiet=quiet)
    root = find_root()
    notes = root / (dotfile or os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant"))
    variables = {"VAGRANT_DEFAULT_PROVIDER": provider, "VAGRANT_DOTFILE_PATH": str(notes)}
    env = surroundings.of_vagrant(surroundings.with_programs() | variables, root)
    return VagrantFolder(root, notes, env)
