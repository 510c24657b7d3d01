"""`make test-openstack`: OpenStack on one machine, and servers in it by Vagrant and by Ansible."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.exceptions import ConflictException, ForbiddenException

from nochat.lab import machines
from nochat.lab.machines import provision
from nochat.lab.openstack import Cloud, openstack_cloud
from nochat.local.processes import until

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

HOST = {"name": "host", "group": "containers"}
# What lets a connection pass says "refused" where nobody listens; what stops it says nothing.
NEIGHBOURS = """
- hosts: containers
  tasks:
    - ansible.builtin.command:
        argv:
          - python3
          - -c
          - |
            import socket
            try: socket.create_connection(("{{ machine_addresses['database-host'] }}", 25), 20)
            except ConnectionRefusedError: print("refused")
      register: said
      changed_when: false
      failed_when: said.stdout != "refused"
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
    interfaces = (name for name in os.listdir("/sys/class/net") if name.startswith("cloud-"))
    return {trace for trace in seen if "nochat-cloud-" in trace} | {*interfaces}


@pytest.fixture(scope="module")
def before() -> set[str]:
    return traces()


@pytest.fixture(scope="module")
def mine(before, place) -> Iterator[Cloud]:
    """A cloud, which the Vagrantfile finds."""
    with timed("the cloud"), openstack_cloud() as cloud:
        for name, value in cloud.environment.items():
            place.setenv(name, value)
        place.setenv("ANSIBLE_ROLES_PATH", str(machines.find_root() / "playbooks" / "roles"))
        yield cloud
    assert traces() == before


def test_the_user_is_no_administrator_and_the_password_is_not_shown(mine: Cloud) -> None:
    with mine.connect() as connection, pytest.raises(ForbiddenException):
        connection.compute.create_flavor(name="mine", ram=64, vcpus=1, disk=1)
    assert mine.password not in repr(mine) + mine._repr_html_()


def test_a_server_boots_is_provisioned_and_goes(mine: Cloud, tmp_path: Path) -> None:
    playbook = tmp_path / "cache.yml"
    playbook.write_text(PLAYBOOK)
    with timed("vagrant up"):
        farm = machines.up(MACHINE, provider="openstack", provision=False)
    with farm:
        connection = mine.connect()
        (server,) = connection.compute.servers()
        (address,) = (entry["addr"] for entries in server.addresses.values() for entry in entries)
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
    assert [port.device_owner for port in connection.network.ports()] in ([], ["network:dhcp"])
    connection.close()


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, object]:
    """What openstack.yml is told: a key, and where to write."""
    key = tmp_path / "a key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    hosts = tmp_path / "the hosts" / "hosts.yml"
    return {"openstack_private_key": str(key), "openstack_hosts_file": str(hosts)}


def refused(match: str, **variables: object) -> None:
    with pytest.raises(provision.RunFailed, match=match) as raised:
        provision.ansible("openstack.yml", variables=variables, quiet=True)
    assert 'assword"' not in str(raised.value)


def test_the_playbook_says_what_is_wrong_before_it_makes_anything(mine, wanted, place) -> None:
    refused(r"has no image nix; it has: debian-13,", **wanted | {"openstack_image": "nix"})
    refused(r"has no flavor nix; it has: m1\.small", **wanted | {"openstack_flavor": "nix"})
    refused(r"no network nix; it has: provider", **wanted | {"openstack_network": "nix"})
    refused(r"ssh-keygen -t ed25519", **wanted | {"openstack_private_key": "/nowhere"})
    refused(r"Cloud nowhere was not found\)", **wanted | {"openstack_cloud": "nowhere"})
    with place.context() as other:
        other.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")
        refused(r"Cloud nochat was not found\)[^:]*To do: [^:]*OS_CLIENT_CONFIG_FILE", **wanted)
    with mine.connect() as connection:
        assert list(connection.compute.keypairs()) == []


def test_the_playbook_passes_on_what_the_cloud_says_of_a_quota(mine, wanted) -> None:
    with mine.connect() as connection:
        network, made = connection.network, []
        with contextlib.suppress(ConflictException):
            while True:
                made.append(network.create_security_group(name="another"))
        refused("Quota exceeded for resources: .*security_group", **wanted)
        for group in made:
            network.delete_security_group(group)
    # Half made is no obstacle to going away.
    assert provision.ansible("openstack.yml", variables=wanted | {"state": "absent"}).changed


def test_the_playbook_makes_both_machines_and_removes_them(mine, wanted, tmp_path) -> None:
    hosts = Path(str(wanted["openstack_hosts_file"]))
    connection = mine.connect()
    compute, network = connection.compute, connection.network
    compute.create_keypair(name="nochat")
    network.create_security_group(name="nochat-others")
    others = (["nochat"], ["default", "machine", "nochat-others"])

    def there() -> tuple[list[str], list[str]]:
        pairs, groups = compute.keypairs(), network.security_groups()
        return sorted(pair.name for pair in pairs), sorted(group.name for group in groups)

    assert there() == others
    with timed("openstack.yml"):
        provision.ansible("openstack.yml", variables=wanted)
    with timed("openstack.yml again"):
        assert provision.ansible("openstack.yml", variables=wanted).changed == []
    assert hosts.stat().st_mode & 0o777 == 0o600

    programs = str(Path(sys.executable).parent)
    ran = subprocess.run(
        ["ansible", "containers:database", "-m", "ping"],
        cwd=machines.find_root() / "playbooks",
        env=os.environ | {"ANSIBLE_HOSTS": str(hosts), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.count("ping: pong") == 2, ran.stdout + ran.stderr

    # What is let in from outside, and from one machine to the other.
    (server,) = compute.servers(name="nochat-database-host")
    (address,) = (entry["addr"] for entries in server.addresses.values() for entry in entries)
    for port in (80, 443):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=20)
    with pytest.raises(TimeoutError):
        socket.create_connection((address, 25), timeout=5)
    playbook = tmp_path / "neighbours.yml"
    playbook.write_text(NEIGHBOURS)
    provision.ansible(playbook, hosts)

    # Of another prefix, these are strangers: neither taken nor removed.
    other = wanted | {"openstack_prefix": "nochat-database", "openstack_machines": [HOST]}
    refused("already nochat-database-host, and not by us", **other)
    provision.ansible("openstack.yml", variables=other | {"state": "absent"})
    assert len(list(compute.servers())) == 2

    with timed("openstack.yml, absent"):
        assert provision.ansible("openstack.yml", variables=wanted | {"state": "absent"}).changed
    with timed("openstack.yml, absent again"):
        again = provision.ansible("openstack.yml", variables=wanted | {"state": "absent"})
    assert again.changed == []
    assert list(compute.servers()) == []
    assert there() == others
    assert list(hosts.parent.iterdir()) == []
    compute.delete_keypair("nochat")
    network.delete_security_group(network.find_security_group("nochat-others"))
    connection.close()


def test_a_killed_process_leaves_nothing() -> None:
    before = traces()  # beside which there may be another cloud
    command = [
        sys.executable,
        "-u",
        "-c",
        "from nochat.lab.openstack import openstack_cloud; openstack_cloud()",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        # Its packages, and the machine: it runs.
        assert [line for line, _ in zip(process.stdout, range(2), strict=False)]
        assert traces() - before
        process.kill()
    with timed("all gone after kill -9"):
        assert until(lambda: traces() == before, 120)
