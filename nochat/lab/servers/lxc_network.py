"""The bridge of LXC machines: lxcbr0, or a private one."""

import os
import subprocess
from pathlib import Path

from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.servers.bridge import choose
from nochat.lab.servers.server import Server, private
from nochat.lab.shell import script
from nochat.local import doctor
from nochat.local.processes import start_child

NAME, VARIABLE, USUAL = "LXC bridge", "NOCHAT_MACHINE_BRIDGE", "lxcbr0"
DNSMASQ = Path("/run/lxc/dnsmasq.pid")  # of lxcbr0

RUN = Path(__file__).with_name("lxc_network.sh")


def lxc_bridge(*, alone: bool = False, quiet: bool = False) -> Server:
    """Use the existing bridge for LXC machines; if none is up, start a private one.

    A private one ends with this process; the Vagrantfile finds it by `NOCHAT_MACHINE_BRIDGE`.

    Args:
        alone: start a private one in any case.
        quiet: print nothing.

    Raises:
        Missing: dnsmasq or iptables, which a private one needs, is not installed.
        NotReady: a private one does not start.
        NotAnswering: a private one needs root, or the named one is not up.
    """
    named = os.environ.get(VARIABLE)
    if named and not alone:
        return Server(NAME, named, look(named), f"named by {VARIABLE}", look=look)
    if not alone and _is_up(USUAL) and _gives_addresses():
        return Server(NAME, USUAL, look(USUAL), "of this machine", look=look)
    return _start(quiet)


def _start(quiet: bool) -> Server:
    if os.geteuid() != 0:
        raise NotAnswering(
            f"there is no {USUAL} that gives addresses, and only root may start a private {NAME}: "
            "sudo systemctl restart lxc-net"
        )
    program, bridge = doctor.require("dnsmasq"), choose()
    with progress(NAME, quiet):
        folder = own_folder("lxc")
        run = script(
            RUN,
            folder=folder,
            name=bridge.name,
            first=bridge.network[2],
            last=bridge.network[-2],
        )
        child = start_child(
            ["/bin/sh", "-c", f"{bridge.up}\n{run}", "sh", program],
            log=folder / "log",
            remove=folder,
            grace=0,
            after=bridge.down,
        )
        return private(NAME, bridge.name, child, look, variable=VARIABLE)


def look(name: str) -> str:
    """Check that a bridge is up; return the version of its DHCP server.

    Raises:
        NotAnswering: it is not up.
    """
    if not _is_up(name):
        raise NotAnswering(f"{NAME} {name} is not up; correct {VARIABLE}, or unset it")
    program = doctor.require("dnsmasq")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return f"with dnsmasq {said.split()[2]}"


def _is_up(name: str) -> bool:
    flags = Path(f"/sys/class/net/{name}/flags")
    return flags.exists() and bool(int(flags.read_text(encoding="utf-8"), 16) & 1)


def _gives_addresses() -> bool:
    """Return whether lxc-net's dnsmasq runs: without it, the bridge stays, but no machine boots."""
    try:
        process = int(DNSMASQ.read_text(encoding="utf-8"))
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip() == "dnsmasq"
    except (OSError, ValueError):
        return False
