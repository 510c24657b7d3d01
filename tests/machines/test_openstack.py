"""`make test-openstack`: OpenStack on one machine, and a server in it by Vagrant and Ansible."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.exceptions import ForbiddenException

from nochat.lab import cloud, machines, provision

MACHINE = "containers-host"
pytestmark = [
    pytest.mark.openstack,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    # The library warns of itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

# Of the project's roles those that an emulated processor can do in a minute or two.
PLAYBOOK = """
- hosts: all
  become: true
  roles:
    - role: hosts
      vars: {machine_addresses: {database-host: 198.18.0.99}}
    - role: packages
      vars: {packages_names: [memcached]}
  tasks:
    - ansible.builtin.systemd_service: {name: memcached, state: started, enabled: true}
"""


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long it took."""
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def traces() -> set[str]:
    """What a cloud is made of, as this computer sees it."""
    groups = (name for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders)
    mounts = Path("/proc/mounts").read_text().splitlines()
    seen = {*os.listdir("/var/tmp"), *groups, *mounts}
    interfaces = (it for it in os.listdir("/sys/class/net") if it.startswith("cloud-"))
    return {it for it in seen if "nochat-cloud-" in it} | {*interfaces}


@pytest.fixture(scope="module")
def before() -> set[str]:
    return traces()


@pytest.fixture(scope="module")
def mine(before, place) -> Iterator[cloud.Cloud]:
    """A cloud, which the Vagrantfile finds."""
    with timed("the cloud"), cloud.openstack() as it:
        for name, value in it.environment.items():
            place.setenv(name, value)
        place.setenv("ANSIBLE_ROLES_PATH", str(machines.find_root() / "playbooks" / "roles"))
        yield it
    assert traces() == before


def test_the_user_is_no_administrator_and_the_password_is_not_shown(mine: cloud.Cloud) -> None:
    with mine.connect() as connection, pytest.raises(ForbiddenException):
        connection.compute.create_flavor(name="mine", ram=64, vcpus=1, disk=1)
    assert mine.password not in repr(mine) + mine._repr_html_()


def test_a_server_boots_is_provisioned_and_goes(mine: cloud.Cloud, tmp_path: Path) -> None:
    playbook = tmp_path / "cache.yml"
    playbook.write_text(PLAYBOOK)
    with timed("vagrant up"):
        farm = machines.up(MACHINE, provider="openstack", provision=False)
    with farm:
        connection = mine.connect()
        (server,) = connection.compute.servers()
        (address,) = (it["addr"] for its in server.addresses.values() for it in its)
        assert server.status == "ACTIVE"
        assert farm.ssh(MACHINE, "hostname; systemctl is-system-running") == f"{MACHINE}\nrunning\n"

        with timed("Ansible"):
            provision.ansible(playbook, farm.inventory)
        with timed("Ansible again"):
            assert provision.ansible(playbook, farm.inventory).changed == []
        said = farm.ssh(MACHINE, "systemctl is-active memcached; getent hosts database-host")
        assert said.split() == ["active", "198.18.0.99", "database-host"]

        # The cloud lets in what its security group says, and nothing else.
        socket.create_connection((address, 22), timeout=20).close()
        with pytest.raises(TimeoutError):
            socket.create_connection((address, 25), timeout=5)

        with timed("vagrant destroy"):
            farm.destroy()
    assert list(connection.compute.servers()) == []
    assert list(connection.compute.keypairs()) == []
    assert [it.device_owner for it in connection.network.ports()] in ([], ["network:dhcp"])
    connection.close()


def test_a_killed_process_leaves_nothing() -> None:
    before = traces()  # beside which there may be another cloud
    command = [sys.executable, "-u", "-c", "from nochat.lab import cloud; cloud.openstack()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        # Its packages, and the machine: it runs.
        assert [line for line, _ in zip(process.stdout, range(2), strict=False)]
        assert traces() - before
        process.kill()
    deadline = time.monotonic() + 120
    with timed("all gone after kill -9"):
        while traces() != before and time.monotonic() < deadline:
            time.sleep(0.2)
    assert traces() == before
