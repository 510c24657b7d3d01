"""Waiting for the services of a cloud, with a report of one that does not start."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from nochat.lab.openstack import contents
from nochat.lab.openstack.container import Container
from nochat.local.processes import NotReady, until

# They are large Python programs, which share the cores of this computer.
SERVICE_SECONDS = 600.0
UNITS = (
    *("glance-api", "placement-api", "neutron-api", "neutron-rpc-server"),
    *("neutron-linuxbridge-agent", "neutron-dhcp-agent"),
    *("nova-api", "nova-conductor", "nova-scheduler", "nova-compute"),
)
# After so many restarts by systemd, a service has failed.
RESTARTS = 3


def wait_for_all(container: Container, address: str, cloud: Connection) -> None:
    """Wait until all services for images, networks and servers are ready.

    Args:
        container: the cloud's machine.
        address: the machine's address.
        cloud: a connection as administrator.

    Raises:
        NotReady: a service does not start; the message has the end of its log.
    """
    ports = [port for _, _, port, _ in contents.ENDPOINTS]
    wait(
        container,
        UNITS,
        lambda: all(listens(address, port) for port in ports) and _complete(cloud),
    )


def wait(container: Container, units: tuple[str, ...], ready: Callable[[], bool]) -> None:
    """Wait until a condition of the cloud is true.

    Args:
        container: the cloud's machine.
        units: the systemd units that it depends on.
        ready: returns whether it is true; its client errors are ignored.

    Raises:
        NotReady: a service restarts repeatedly (the message has the end of its log), or the time
            is up.
    """
    said = ""

    def answer() -> bool:
        nonlocal said
        try:
            if ready():
                return True
        except (SDKException, ClientException) as error:
            said = str(error)
        restarts = container.run("systemctl", "show", "--property=NRestarts", "--value", *units)
        for unit, count in zip(units, restarts.split(), strict=True):
            if int(count) >= RESTARTS:
                raise NotReady(f"{unit} does not come up. Its log ends:\n{_log(container, unit)}")
        return False

    if not until(answer, SERVICE_SECONDS, pause=1):
        raise NotReady(
            f"OpenStack is not ready after {SERVICE_SECONDS:.0f} s: {said or 'it does not answer'}."
            " Close what else keeps this machine busy, and run it again."
        )


def listens(address: str, port: int) -> bool:
    """Return whether a service listens, without the library's warning if none does."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=5):
        return True
    return False


def _log(container: Container, unit: str) -> str:
    log = container.root / "var/log" / unit.partition("-")[0] / f"{unit}.log"
    return (
        "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-20:])
        if log.exists()
        else "-"
    )


def _complete(cloud: Connection) -> bool:
    """Return whether all services answer, and all agents and a hypervisor are registered."""
    images: Any = cloud.image  # The library knows an older interface too.
    next(iter(images.images()), None)
    agents = list(cloud.network.agents())
    hypervisors = list(cloud.compute.hypervisors())
    return len(agents) == 2 and all(agent.is_alive for agent in agents) and bool(hypervisors)
