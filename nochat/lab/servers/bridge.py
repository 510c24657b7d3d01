"""A private network bridge, on a free subnet, for machines and containers."""

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
        name: the network interface.
        pool: its addresses: the bridge uses the first 256, the rest is for further networks.
    """

    name: str
    pool: ipaddress.IPv4Network

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The addresses on the bridge; the first of them is the bridge's."""
        return next(self.pool.subnets(new_prefix=24))

    @property
    def up(self) -> str:
        """The shell script that creates it if it does not exist."""
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
        Missing: a program that it needs is not installed.
    """
    doctor.require("iptables")
    taken = routes()
    while True:
        # Not at the start of the range, which Docker and LXC use.
        second, third = 100 + secrets.randbelow(156), 16 * secrets.randbelow(16)
        pool = ipaddress.IPv4Network(f"10.{second}.{third}.0/20")
        if not any(map(pool.overlaps, taken)):
            return Bridge(f"nochat-{secrets.token_hex(4)}", pool)


def routes() -> list[ipaddress.IPv4Network]:
    """Return the networks that this computer reaches without its gateway."""
    shown = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    return [
        ipaddress.IPv4Network(route) for route in re.findall(r"^(\d[\d.]+(?:/\d+)?)", shown, re.M)
    ]
