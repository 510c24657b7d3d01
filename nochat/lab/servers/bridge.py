"""A network bridge of our own, on a subnet that is free, for machines and containers."""

import ipaddress
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from nochat.lab.shell import script
from nochat.lab.surroundings import MACHINES
from nochat.local import doctor

SCRIPT = Path(__file__).with_name("bridge.sh")


@dataclass(frozen=True)
class Bridge:
    """A bridge, with its name and its own addresses.

    Attributes:
        name: of the network interface.
        pool: of which it takes the first 256 addresses; the rest is for further networks.
    """

    name: str
    pool: ipaddress.IPv4Network

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The addresses of what is on the bridge; the first of them is the bridge's."""
        return next(self.pool.subnets(new_prefix=24))

    @property
    def up(self) -> str:
        """The shell script that makes it, if it is not there."""
        return self._script("up")

    @property
    def down(self) -> str:
        """The shell script that removes it."""
        return self._script("down")

    def _script(self, action: str) -> str:
        return script(
            SCRIPT,
            action=action,
            name=self.name,
            pool=self.pool,
            gateway=f"{self.network[1]}/{self.network.prefixlen}",
            machines=MACHINES,
        )


def choose() -> Bridge:
    """Choose a name and addresses for a bridge.

    Raises:
        Missing: a program that makes it is not on this machine.
    """
    doctor.require("iptables")
    taken = routes()
    while True:
        # Not where Docker and LXC begin to count.
        second, third = 100 + secrets.randbelow(156), 16 * secrets.randbelow(16)
        pool = ipaddress.IPv4Network(f"10.{second}.{third}.0/20")
        if not any(map(pool.overlaps, taken)):
            return Bridge(f"nochat-{secrets.token_hex(4)}", pool)


def routes() -> list[ipaddress.IPv4Network]:
    """Return the networks that this computer reaches by other ways than its gateway."""
    shown = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    return [
        ipaddress.IPv4Network(route) for route in re.findall(r"^(\d[\d.]+(?:/\d+)?)", shown, re.M)
    ]
