"""A network bridge of our own, on a subnet that is free, for machines and containers."""

import ipaddress
import re
import secrets
import subprocess
from dataclasses import dataclass

from nochat import doctor
from nochat.lab.surroundings import MACHINES

# First of all rules, as another Docker Engine makes the kernel drop what it does not know. No
# chain of Docker's own: two engines would flush each other's. They keep networks apart, as an
# engine does; what stays in one may pass here, too.
SCRIPT = """
rules() {{
    iptables --wait "$1" INPUT --in-interface {name} --jump ACCEPT
    for pool in {pool} {MACHINES}; do
        iptables --wait "$1" FORWARD --source $pool --jump ACCEPT
        iptables --wait "$1" FORWARD --destination $pool --jump ACCEPT
        iptables --wait --table nat "$1" POSTROUTING --source $pool ! --destination $pool \\
            --jump MASQUERADE
    done
    for step in "--jump DROP" "--match physdev --physdev-is-bridged --jump ACCEPT"; do
        iptables --wait "$1" FORWARD --source {pool} --destination {pool} $step
    done
}}
"""
UP = """
if ! test -e /sys/class/net/{name}; then
    ip link add {name} type bridge && ip address add {gateway} dev {name} &&
        ip link set {name} up && rules --insert || exit
    echo 1 >/proc/sys/net/ipv4/ip_forward
fi
"""
DOWN = """
rules --delete
ip link delete {name}
"""


@dataclass(frozen=True)
class Bridge:
    """A bridge: what it is called, and the addresses that are its own.

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
        return self._script(SCRIPT + UP)

    @property
    def down(self) -> str:
        """The shell script that removes it."""
        return self._script(SCRIPT + DOWN)

    def _script(self, text: str) -> str:
        gateway = f"{self.network[1]}/{self.network.prefixlen}"
        return text.format(name=self.name, pool=self.pool, gateway=gateway, MACHINES=MACHINES)


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
    return [ipaddress.IPv4Network(it) for it in re.findall(r"^(\d[\d.]+(?:/\d+)?)", shown, re.M)]
