"""OpenStack on one machine: keystone, glance, placement, neutron, nova, and emulated servers."""

import ipaddress
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from nochat.lab import servers
from nochat.lab.board import progress
from nochat.lab.errors import CloudError
from nochat.lab.openstack import boxes, container, contents, services
from nochat.lab.openstack.cloud import Cloud
from nochat.lab.passwords import new_password
from nochat.lab.servers.bridge import routes
from nochat.lab.surroundings import MACHINES
from nochat.local import doctor

HERE = Path(__file__).parent / "machine"
GIB = 2**30
MEMORY, DISK = 6 * GIB, 6 * GIB


def openstack_cloud(*, quiet: bool = False) -> Cloud:
    """Start a cloud: real OpenStack on one LXC machine, which ends with this process.

    The first time, its packages are installed, which takes some minutes; they are kept in
    `build/boxes`. Its servers need no virtualization by the processor: qemu emulates them.

    Args:
        quiet: print nothing.

    Raises:
        CloudError: it needs root, or there is too little memory or disk.
        Missing: a program is not installed.
        NotAnswering: there is no bridge for LXC machines.
        NotReady: a part of it does not start; the message has the end of its log.
    """
    _examine()
    bridge = servers.lxc_bridge(quiet=quiet).url
    with progress("OpenStack: its packages and what its servers boot", quiet):
        box, image = boxes.make()
    network = _choose_network()
    address, ours = str(network[2]), str(network[1])
    admin, service, user = new_password(), new_password(), new_password()
    with progress("OpenStack: the machine", quiet):
        interface = f"cloud-{secrets.token_hex(4)}"
        config = _fill(
            (HERE / "lxc-config").read_text(encoding="utf-8"), bridge=bridge, interface=interface
        )
        files = dict(_files(address=address, password=service))
        machine = container.start(box, config, files)
    try:
        _ip("address", "add", f"{ours}/{network.prefixlen}", "dev", interface)
        with progress("OpenStack: databases, broker and identity", quiet):
            machine.run("sh", "/root/setup", "databases")
            port = contents.IDENTITY_PORT
            url = f"http://{address}:{port}/v3"
            machine.run(
                *("sh", "/root/setup", "identity"),
                env={
                    "OS_BOOTSTRAP_PASSWORD": admin,
                    "OS_BOOTSTRAP_PUBLIC_URL": url,
                    "OS_BOOTSTRAP_INTERNAL_URL": url,
                },
            )
            with contents.connect(address, "admin", admin, "admin") as cloud:
                services.wait(
                    machine,
                    ("keystone",),
                    lambda: services.listens(address, port) and bool(cloud.authorize()),
                )
                contents.add_accounts(cloud, address, service, user)
        # A new connection, which knows the services' endpoints.
        with contents.connect(address, "admin", admin, "admin") as cloud:
            with progress("OpenStack: images, networks and servers", quiet):
                machine.run("sh", "/root/setup", "services")
                services.wait_for_all(machine, address, cloud)
            with progress("OpenStack: an image, a flavor and a network", quiet):
                contents.add_image(cloud, image)
                contents.add_network(cloud, network, _address(bridge))
        made = Cloud(url, contents.USER, user, contents.PROJECT, network, machine)
        with made.connect() as connection:
            contents.open_ports(connection)
    except BaseException:
        machine.stop()
        raise
    return made


def _examine() -> None:
    if os.geteuid() != 0:
        raise CloudError("a cloud needs root, for its network and its container: use sudo")
    doctor.require("lxc")
    memory = _available_memory()
    if memory < MEMORY:
        raise CloudError(
            f"a cloud and a server in it need {MEMORY / GIB:.0f} GiB of memory, and "
            f"{memory / GIB:.1f} are free: stop other programs"
        )
    free = shutil.disk_usage(container.FOLDER).free
    if free < DISK:
        raise CloudError(
            f"a cloud and a server in it need {DISK / GIB:.0f} GiB of disk, and {free / GIB:.1f} "
            f"are free in {container.FOLDER}: make room"
        )


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _choose_network() -> ipaddress.IPv4Network:
    """Choose sixteen unused addresses: the first is this computer's, the second the machine's."""
    pool, taken = ipaddress.IPv4Network(MACHINES), routes()
    while True:
        at = int(pool[0]) + 16 * secrets.randbelow(pool.num_addresses // 16)
        network = ipaddress.IPv4Network((at, 28))
        if not any(map(network.overlaps, taken)):
            return network


def _files(**values: str) -> Iterable[tuple[str, str]]:
    """Yield the machine's files, with their paths in it."""
    for file in HERE.glob("etc/**/*"):
        if file.is_file():
            yield str(file.relative_to(HERE)), _fill(file.read_text(encoding="utf-8"), **values)
    yield "root/setup", (HERE / "setup").read_text(encoding="utf-8")


def _fill(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def _address(interface: str) -> ipaddress.IPv4Address:
    """Return the address of an interface of this computer."""
    shown = json.loads(_ip("-json", "-4", "address", "show", "dev", interface))
    return ipaddress.IPv4Address(shown[0]["addr_info"][0]["local"])
