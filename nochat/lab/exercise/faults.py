"""Faults that are drawn for a machine with the chat, for exercise 04c.

```python
broken = faults.draw(farm, host)
```
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nochat.lab.exercise.plays import as_root
from nochat.lab.machines import Farm
from nochat.local.tables import as_html, as_text

RABBIT, SETTINGS = "/etc/rabbitmq/rabbitmq.conf", "/etc/default/nochat"
UNIT, ACCOUNT = "/etc/systemd/system/nochat@.service", "'nochat'@'127.0.0.1'"


@dataclass(frozen=True)
class Fault:
    """Something that a colleague did to a machine.

    Attributes:
        told: what it is, in a sentence.
        breaks: the shell script that does it.
        there: the shell command that ends well while it is there.
    """

    told: str
    breaks: str
    there: str


# In the order in which they are done: MariaDB is asked before it is stopped.
FAULTS: Mapping[str, Fault] = {
    "rights": Fault(
        "the chat's account may do anything in MariaDB",
        f'mariadb -e "GRANT ALL ON *.* TO {ACCOUNT}"',
        f'mariadb -Ne "SHOW GRANTS FOR {ACCOUNT}" | grep -q "ALL PRIVILEGES ON \\*\\.\\*"',
    ),
    "masked": Fault(
        "MariaDB is stopped, and its unit is masked",
        "systemctl stop mariadb; systemctl mask --quiet mariadb",
        'test "$(systemctl is-enabled mariadb)" = masked',
    ),
    "stopped": Fault(
        "the stand-in for MongoDB is stopped",
        "systemctl stop mongodb-stand-in",
        "! systemctl is-active --quiet mongodb-stand-in",
    ),
    "boot": Fault(
        "the chat does not start at boot",
        "systemctl disable --quiet nochat.target",
        "! systemctl is-enabled --quiet nochat.target",
    ),
    "open": Fault(
        "RabbitMQ's management can be reached from elsewhere",
        f"sed -i 's/^management.tcp.ip = .*/management.tcp.ip = 0.0.0.0/' {RABBIT}; "
        "systemctl restart rabbitmq-server",
        "! ss -ltnH 'sport = :15672' | grep -q 127.0.0.1",
    ),
    "readable": Fault(
        "everybody on the machine may read the chat's passwords",
        f"chmod o+r {SETTINGS}",
        f"find {SETTINGS} -perm /o=r | grep -q .",
    ),
    "root": Fault(
        "at their next start, the chat's processes run as root",
        f"sed -i 's/^User=.*/User=root/' {UNIT}; systemctl daemon-reload",
        f"grep -q '^User=root' {UNIT}",
    ),
}


@dataclass(frozen=True)
class Broken:
    """A machine that is broken, and which causes there could be.

    Attributes:
        host: the machine.
        seed: draws the same faults once more.
        among: the faults that were drawn from, by their names.
        causes: the names of those that are there.
    """

    host: str
    seed: int
    among: Mapping[str, Fault]
    causes: frozenset[str] = field(repr=False)

    def __repr__(self) -> str:
        return f"{self._told}\n{as_text(self._rows)}"

    def _repr_html_(self) -> str:
        head, *rows = self._rows
        return f"<p>{self._told}</p>{as_html(head, rows)}"

    @property
    def _told(self) -> str:
        return f"{self.host} has {len(self.causes)} of these faults (seed {self.seed}):"

    @property
    def _rows(self) -> list[list[str]]:
        told = sorted((name, fault.told) for name, fault in self.among.items())
        return [["Cause", "What it is"], *([name, text] for name, text in told)]


def draw(
    farm: Farm,
    host: str,
    *,
    seed: int | None = None,
    count: int = 3,
    among: Sequence[str] = tuple(FAULTS),
) -> Broken:
    """Break a machine in a few ways; what was broken already counts as well.

    Args:
        farm: the machines.
        host: one that has the servers and the chat.
        seed: draws the same faults as another time; a new one if it is None.
        count: the number of faults.
        among: the names of the faults to draw from.

    Raises:
        MachinesError: the machine can't be reached, or has no chat.
    """
    seed = random.SystemRandom().randrange(10_000) if seed is None else seed
    known = {name: fault for name, fault in FAULTS.items() if name in among}
    chance = random.Random(seed)  # noqa: S311 no secret comes of it
    drawn = {*chance.sample([*known], count)}
    scripts = [fault.breaks for name, fault in known.items() if name in drawn]
    as_root(farm, host, "set -e\n" + "\n".join(scripts))
    causes = drawn | find(farm, host, known)
    return Broken(host, seed, known, frozenset(causes))


def find(farm: Farm, host: str, among: Mapping[str, Fault]) -> set[str]:
    """Return the names of the faults that a machine has now."""
    tests = (f"if {fault.there}; then echo {name}; fi" for name, fault in among.items())
    return {*as_root(farm, host, "exec 2>/dev/null\n" + "\n".join(tests)).split()}
