"""Every provider's block of the Vagrantfile: Vagrant evaluates only that of the provider in use.

Real Ruby evaluates the real Vagrantfile; `recorder.rb` stands in for Vagrant and its plugins.
"""

import json
import os
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from nochat.lab.azure.settings import NEEDED, Settings
from nochat.local import doctor

ROOT = Path(__file__).parents[2]
RECORDER = Path(__file__).with_name("recorder.rb")
# Vagrant's logger, asked for again, once it has a level of its own.
LOGGERS = """
require "log4r"
require ARGV.shift
first = Log4r::Logger.new("vagrant::config")
own = Log4r::Logger.new("vagrant::config", Log4r::ERROR)
puts [first, own].map { |it| it.equal?(Log4r::Logger.new("vagrant::config")) }.inspect
puts [own.level, Log4r::Logger.new("vagrant::other").fullname].inspect
"""
HOSTS = ["containers-host", "database-host"]

OPENSTACK = {
    "OS_AUTH_URL": "http://cloud.example:5000/v3",
    "OS_USERNAME": "lia",
    "OS_PASSWORD": "a password",
    "OS_PROJECT_NAME": "course",
    "OS_USER_DOMAIN_NAME": "people",
    "OS_PROJECT_DOMAIN_NAME": "courses",
    "OS_REGION_NAME": "north",
    "OS_CACERT": "/etc/cloud.pem",
    "OS_SERVER_NAME": "lia",
    "OS_FLAVOR": "m1.smaller",
    "OS_IMAGE": "debian-13",
    "OS_FLOATING_IP_POOL": "public",
    "OS_NETWORKS": "inner,outer",
    "OS_KEYPAIR_NAME": "lia-key",
    "OS_SECURITY_GROUPS": "default,web",
    "OS_SSH_USERNAME": "ubuntu",
    "OS_PRIVATE_KEY_PATH": "~/keys/lia.pem",
}
AZURE = {
    "AZURE_TENANT_ID": "a tenant",
    "AZURE_CLIENT_ID": "a client",
    "AZURE_CLIENT_SECRET": "a password",
    "AZURE_SUBSCRIPTION_ID": "a subscription",
    "AZURE_RESOURCE_GROUP": "a group",
    "AZURE_VM_IMAGE_URN": "credativ:Debian:8:8.0.201701180",
    "AZURE_VM_SIZE": "Basic_A0",
    "AZURE_LOCATION": "northeurope",
    "AZURE_VM_NAME": "lia",
    "AZURE_TCP_ENDPOINTS": "80",
    "AZURE_DNS_NAME": "lia-chat",
    "AZURE_SSH_FROM": "203.0.113.7/32",
    "AZURE_SHUTDOWN": "1930",
    "AZURE_MANAGEMENT_ENDPOINT": "https://127.0.0.1:9443",
    "AZURE_SSH_USERNAME": "lia",
    "AZURE_PRIVATE_KEY_PATH": "~/.ssh/id_rsaAzure",
}

# The page of the first steps, and that of the final deployment.
FORWARDED = {
    guest: {"host": host, "host_ip": "127.0.0.1", "auto_correct": True}
    for guest, host in ((8000, 8000), (443, 8443))
}


def ruby() -> str:
    if found := shutil.which("ruby"):
        return found
    raise doctor.Missing("ruby is not here; it comes with: sudo apt-get install vagrant")


class Block:
    """What a provider's block sets for one machine."""

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        own, override = parts
        self.set: dict[str, Any] = own["set"]
        self.customized = dict(arguments for _, arguments, _, _ in own["calls"])
        nothing = {"set": {}, "calls": []}
        vm, ssh = (override["parts"].get(part, nothing) for part in ("vm", "ssh"))
        trigger = override["parts"].get("trigger", nothing)
        self.box = vm["set"].get("box")
        self.ssh: dict[str, Any] = ssh["set"]
        self.networks = {
            args[0]: opts
            for name, args, opts, _ in vm["calls"]
            if name == "network" and args != ["forwarded_port"]
        }
        self.ports = {
            opts["guest"]: {key: value for key, value in opts.items() if key != "guest"}
            for name, args, opts, _ in vm["calls"]
            if (name, args) == ("network", ["forwarded_port"])
        }
        self.folders = [args for name, args, _, _ in vm["calls"] if name == "synced_folder"]
        self.triggers = [(name, *args) for name, args, _, _ in trigger["calls"]]
        provisioned = [settings for name, _, _, settings in vm["calls"] if name == "provision"]
        self.extra_vars = provisioned[0][0]["set"]["extra_vars"] if provisioned else {}

    @property
    def addresses(self) -> dict[str, str]:
        addresses: dict[str, str] = self.extra_vars.get("machine_addresses", {})
        return addresses


class Recorded:
    """The whole Vagrantfile, evaluated with these variables."""

    def __init__(
        self, vagrantfile: Path = ROOT / "Vagrantfile", command: str = "status", **variables: str
    ) -> None:
        ran = subprocess.run(
            [ruby(), "-W", RECORDER, vagrantfile, command],
            env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        recorded = json.loads(ran.stdout)
        self.own, self.default = recorded["own"], recorded["default"]
        self.environment = recorded["environment"]
        vm = recorded["config"]["parts"]["vm"]
        calls, self.port_range = vm["calls"], vm["set"].get("usable_port_range")
        self.shared_folders = [
            (args, opts) for name, args, opts, _ in calls if name == "synced_folder"
        ]
        self.machines = {
            args[0]: parts[0]["parts"]["vm"] for name, args, _, parts in calls if name == "define"
        }

    def block(self, provider: str, machine: str = HOSTS[0]) -> Block:
        blocks = [
            parts
            for name, args, _, parts in self.machines[machine]["calls"]
            if name == "provider" and args == [provider]
        ]
        assert len(blocks) == 1
        return Block(blocks[0])


@pytest.fixture(scope="module")
def plain() -> Recorded:
    return Recorded()


def test_there_are_two_machines_each_with_its_playbook(plain: Recorded) -> None:
    assert list(plain.machines) == HOSTS
    for name, vm in plain.machines.items():
        assert vm["set"] == {"hostname": name}
        (provision,) = (call for call in vm["calls"] if call[0] == "provision")
        assert provision[2] == {"type": "ansible"}
        ansible = provision[3][0]["set"]
        assert ansible == {
            "playbook": f"playbooks/{name.removesuffix('-host')}.yml",
            "config_file": "playbooks/ansible.cfg",
            "compatibility_mode": "2.0",
            "groups": {"containers": ["containers-host"], "database": ["database-host"]},
        }
    assert plain.shared_folders == [([".", "/vagrant"], {"disabled": True})]


def test_a_third_one_is_there_on_demand() -> None:
    recorded = Recorded(NOCHAT_MACHINE_COUNT="3")
    assert list(recorded.machines) == [*HOSTS, "containers-host-2"]
    vm = recorded.machines["containers-host-2"]
    (provision,) = (call for call in vm["calls"] if call[0] == "provision")
    groups = provision[3][0]["set"]["groups"]
    assert groups["containers"] == ["containers-host", "containers-host-2"]
    assert len(set(recorded.block("docker").addresses.values())) == 3


def test_docker_is_used_where_nobody_says_otherwise(plain: Recorded) -> None:
    assert plain.default == "docker"
    assert Recorded(VAGRANT_DEFAULT_PROVIDER="lxc").default == "lxc"


def test_ansible_has_its_settings_from_the_project_and_a_language_that_is_there():
    theirs = {"ANSIBLE_STRATEGY": "none", "ANSIBLE_HOSTS": "/mine", "LC_ALL": "es_ES.UTF-8"}
    environment = Recorded(**theirs).environment
    assert [name for name in environment if name.startswith("ANSIBLE_")] == ["ANSIBLE_HOSTS"]
    assert environment["LC_ALL"] == "C.UTF-8"


def test_a_logger_that_vagrant_asks_for_again_is_not_made_anew() -> None:
    """Log4r compiles the methods of each, which would be a third of the time of each command."""
    loggers = ROOT / "vagrant" / "loggers.rb"
    ran = subprocess.run(
        [ruby(), "-e", LOGGERS, loggers], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["[false, true]", '[4, "vagrant::other"]'], ran.stderr


def test_docker(plain: Recorded) -> None:
    block = plain.block("docker")
    checkout = block.networks["private_network"]["name"]
    address = block.addresses["containers-host"]
    arguments = block.set.pop("create_args")
    assert block.set == {
        "name": f"{checkout}-containers-host",
        "image": "nochat/machine:debian-trixie",
        "has_ssh": True,
    }
    assert block.networks == {
        "private_network": {"ip": address, "name": checkout},
    }
    assert block.ports == FORWARDED
    given = " ".join(arguments)
    for wanted in (
        "--tmpfs /run --tmpfs /run/lock --volume /var/lib/docker",
        "--cap-add SYS_ADMIN --cap-add NET_ADMIN",
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        f"--add-host database-host:{block.addresses['database-host']}",
    ):
        assert wanted in given
    assert "--cpus" not in arguments
    assert "--memory" not in arguments
    assert "--privileged" not in arguments
    assert block.box is None  # A box would have to be fetched, and nothing is taken of it.
    assert block.folders == [
        ["build/cache/apt/containers-host", "/var/cache/apt/archives", {"create": True}]
    ]
    assert block.triggers == [("before", "up"), ("before", "destroy"), ("after", "destroy")]


@pytest.mark.parametrize(
    ("version", "wanted", "other"),
    [
        ("1", "--volume /sys/fs/cgroup:/sys/fs/cgroup:rw", "--cgroupns private"),
        ("2", "--cgroupns private", "--volume /sys/fs/cgroup:/sys/fs/cgroup:rw"),
    ],
)
def test_docker_on_either_version_of_cgroups(tmp_path, version, wanted, other) -> None:
    """As the engine says which it has, wherever it is."""
    engine = tmp_path / "docker"
    engine.write_text(f"#!/bin/sh\necho {version}\n")
    engine.chmod(0o755)
    recorded = Recorded(command="up", PATH=f"{tmp_path}:{os.environ['PATH']}")
    given = " ".join(recorded.block("docker").set["create_args"])
    assert wanted in given
    assert other not in given


def test_docker_where_no_engine_answers(tmp_path) -> None:
    """Vagrant reads the file for other providers, too."""
    (tmp_path / "docker").write_text("#!/bin/sh\necho refused >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    recorded = Recorded(command="up", VAGRANT_DEFAULT_PROVIDER="virtualbox", PATH=path)
    assert recorded.block("docker").set["create_args"]


def test_docker_is_asked_nothing_where_no_machine_is_to_be_made(tmp_path) -> None:
    asked = tmp_path / "asked"
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho $* >>{asked}\n")
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert Recorded(command="ssh-config", PATH=path).block("docker").set["create_args"]
    assert not asked.exists()
    Recorded(command="up", PATH=path)
    assert "info" in asked.read_text()


def test_docker_with_its_variables() -> None:
    recorded = Recorded(
        NOCHAT_MACHINE_BASE="nochat/debian:12",
        NOCHAT_MACHINE_CPUS="1.5",
        NOCHAT_MACHINE_MEMORY="3000",
        NOCHAT_MACHINE_CACHE="/packages",
    )
    block = recorded.block("docker")
    assert block.folders[0][0] == "/packages/containers-host"
    assert block.set["image"] == "nochat/machine:nochat-debian-12"
    assert "--cpus 1.5 --memory 3000m" in " ".join(block.set["create_args"])


def test_offline_machines_are_of_what_make_box_makes() -> None:
    recorded = Recorded(NOCHAT_OFFLINE="1")
    assert recorded.block("docker").set["image"] == "nochat/machine:nochat-debian"
    assert recorded.block("libvirt").box == "nochat/debian"


def test_lxc(plain: Recorded) -> None:
    block = plain.block("lxc", "database-host")
    assert block.box == "isc/lxc-debian-12"
    assert block.set.keys() == {"container_name"}
    assert block.set["container_name"].endswith("-database-host")
    assert block.customized == {
        "net.0.type": "veth",
        "net.0.link": "lxcbr0",
        "net.0.flags": "up",
        "net.1.type": "veth",
        "net.1.link": "lxcbr0",
        "net.1.flags": "up",
        "net.1.ipv4.address": f"{block.addresses['database-host']}/28",
    }
    assert block.networks == {}
    assert block.folders == [
        ["build/cache/apt/database-host", "/var/cache/apt/archives", {"create": True}]
    ]
    assert block.triggers == []


def test_lxc_with_its_variables() -> None:
    recorded = Recorded(NOCHAT_MACHINE_BOX="nochat/debian", NOCHAT_MACHINE_BRIDGE="br7")
    block = recorded.block("lxc")
    assert block.box == "nochat/debian"
    assert block.customized["net.0.link"] == block.customized["net.1.link"] == "br7"


@pytest.mark.parametrize(
    ("provider", "box"), [("libvirt", "debian/trixie64"), ("virtualbox", "bento/debian-13")]
)
def test_virtual_machines(plain: Recorded, provider: str, box: str) -> None:
    block = plain.block(provider)
    assert block.box == box
    assert (block.set["cpus"], block.set["memory"]) == (2, 2048)
    assert block.networks == {
        "private_network": {
            "ip": block.addresses["containers-host"],
            "netmask": "255.255.255.240",
        },
    }
    assert block.ports == FORWARDED
    recorded = Recorded(
        NOCHAT_MACHINE_BOX="nochat/debian", NOCHAT_MACHINE_CPUS="4", NOCHAT_MACHINE_MEMORY="4096"
    )
    block = recorded.block(provider)
    assert block.box == "nochat/debian"
    assert (block.set["cpus"], block.set["memory"]) == (4, 4096)
    assert recorded.block(provider, "database-host").ports == {}


@pytest.mark.parametrize("provider", ["docker", "libvirt", "virtualbox"])
def test_ports_of_this_computer_are_where_they_are_asked_for(
    plain: Recorded, provider: str
) -> None:
    assert plain.port_range is None
    recorded = Recorded(NOCHAT_MACHINE_PORTS="30000")
    for machine in HOSTS:
        ports = recorded.block(provider, machine).ports
        assert {*ports} == {22, *plain.block(provider, machine).ports}
        chosen = [port["host"] for port in ports.values()]
        assert len({*chosen}) == len(chosen)
        assert {*chosen} <= {*range(30_000, 30_100)}
        assert ports[22]["id"] == "ssh"
        assert {port["host_ip"] for port in ports.values()} == {"127.0.0.1"}
    assert recorded.port_range == "30000..30099"


def test_libvirt_emulates_where_it_has_to(plain: Recorded) -> None:
    emulated = {"driver": "qemu", "cpu_mode": "custom", "cpu_model": "qemu64"}
    values = Recorded(NOCHAT_MACHINE_EMULATED="1").block("libvirt").set
    prefix = values.pop("default_prefix")
    assert prefix.startswith("nochat-")
    assert prefix.endswith("-")
    assert values == {"cpus": 2, "memory": 2048, **emulated}
    if os.access("/dev/kvm", os.W_OK):
        assert not emulated.keys() & plain.block("libvirt").set.keys()
    else:
        assert emulated.items() <= plain.block("libvirt").set.items()


def test_virtualbox_is_named_after_the_checkout(plain: Recorded) -> None:
    values = plain.block("virtualbox").set
    assert values.keys() == {"name", "cpus", "memory"}
    assert values["name"].endswith("-containers-host")


def test_debian_12_on_demand() -> None:
    recorded = Recorded(NOCHAT_DEBIAN="12")
    assert recorded.block("docker").set["image"] == "nochat/machine:debian-bookworm"
    assert {recorded.block(provider).box for provider in ("libvirt", "virtualbox")} == {
        "debian/bookworm64"
    }
    assert recorded.block("openstack").set["image"] == "debian-12"
    urn = "Debian:debian-12:12-gen2:latest"
    assert recorded.block("azure").set["vm_image_urn"] == urn
    needed = dict.fromkeys(NEEDED, "set") | {"NOCHAT_DEBIAN": "12"}
    assert Settings.from_environment(environment=needed).vm_image_urn == urn


def test_openstack(plain: Recorded) -> None:
    block = plain.block("openstack")
    assert {key: value for key, value in block.set.items() if value is not None} == {
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "server_name": "containers-host",
        "flavor": "m1.small",
        "image": "debian-13",
        "security_groups": ["default"],
    }
    assert block.ssh == {"username": "debian", "private_key_path": None}
    assert block.addresses == {}


def test_openstack_with_its_variables() -> None:
    block = Recorded(**OPENSTACK).block("openstack")
    assert block.set == {
        "openstack_auth_url": "http://cloud.example:5000/v3",
        "username": "lia",
        "password": "a password",
        "tenant_name": "course",
        "user_domain_name": "people",
        "project_domain_name": "courses",
        "region": "north",
        "ssl_ca_file": "/etc/cloud.pem",
        "server_name": "lia-containers-host",
        "flavor": "m1.smaller",
        "image": "debian-13",
        "floating_ip_pool": "public",
        "networks": ["inner", "outer"],
        "keypair_name": "lia-key",
        "security_groups": ["default", "web"],
    }
    assert block.ssh == {"username": "ubuntu", "private_key_path": "~/keys/lia.pem"}
    assert Recorded(OS_TENANT_NAME="old").block("openstack").set["tenant_name"] == "old"


def test_azure(plain: Recorded) -> None:
    block = plain.block("azure")
    assert {key: value for key, value in block.set.items() if value is not None} == {
        "resource_group_name": "nochat",
        "vm_image_urn": "Debian:debian-13:13-gen2:latest",
        "vm_size": "Standard_B2s",
        "location": "westeurope",
        "vm_name": "containers-host",
        "tcp_endpoints": "80,443",
        "admin_username": "vagrant",
        "shutdown": "2200",
    }
    assert block.ssh == {"username": "vagrant", "private_key_path": None}


def test_azure_with_its_variables() -> None:
    block = Recorded(**AZURE).block("azure")
    assert block.set == {
        "tenant_id": "a tenant",
        "client_id": "a client",
        "client_secret": "a password",
        "subscription_id": "a subscription",
        "resource_group_name": "a group",
        "vm_image_urn": "credativ:Debian:8:8.0.201701180",
        "vm_size": "Basic_A0",
        "location": "northeurope",
        "vm_name": "lia-containers-host",
        "tcp_endpoints": "80",
        "dns_name": "lia-chat",
        "admin_username": "lia",
        "ssh_from": "203.0.113.7/32",
        "shutdown": "1930",
        "management_endpoint": "https://127.0.0.1:9443",
    }
    assert block.ssh == {"username": "lia", "private_key_path": "~/.ssh/id_rsaAzure"}
    assert Recorded(AZURE_SHUTDOWN="").block("azure").set["shutdown"] == ""


@pytest.mark.parametrize("machine", HOSTS)
def test_azure_is_what_an_account_plans(machine: str) -> None:
    needed = {name: AZURE[name] for name in NEEDED}
    for variables in (AZURE, needed):
        block = Recorded(**variables).block("azure", machine)
        given = {key: value for key, value in block.set.items() if value is not None}
        assert Settings(**given) == Settings.from_environment(machine, variables)


@pytest.mark.parametrize("provider", ["lxc", "openstack", "azure"])
def test_our_own_providers_know_all_that_is_set(plain: Recorded, provider: str) -> None:
    assert plain.block(provider).set.keys() <= set(plain.own[provider])


def test_addresses_are_nobody_elses(plain: Recorded) -> None:
    for provider, range_ in (
        ("docker", "198.18.0.0/15"),
        ("lxc", "198.18.0.0/15"),
        ("libvirt", "198.18.0.0/15"),
        ("virtualbox", "192.168.56.0/21"),
    ):
        first, second = (
            ip_address(address) for address in plain.block(provider).addresses.values()
        )
        assert first in ip_network(range_)
        assert first != second
        assert ip_network(f"{first}/28", strict=False) == ip_network(f"{second}/28", strict=False)
        for machine in HOSTS:
            assert plain.block(provider, machine).addresses.keys() == set(HOSTS)


def test_two_checkouts_do_not_collide(tmp_path: Path, plain: Recorded) -> None:
    shutil.copy(ROOT / "Vagrantfile", tmp_path)
    shutil.copytree(ROOT / "vagrant", tmp_path / "vagrant")
    shutil.copytree(ROOT / "nochat" / "lab", tmp_path / "nochat" / "lab")
    elsewhere = Recorded(tmp_path / "Vagrantfile")
    own_state = Recorded(VAGRANT_DOTFILE_PATH=".vagrant-of-lia")
    usual = Recorded(VAGRANT_DOTFILE_PATH=str(ROOT / ".vagrant"))
    # By paths that are known: with VirtualBox there is room for 128 checkouts, and two could meet.
    known = [Recorded(VAGRANT_DOTFILE_PATH=f"/home/{name}/.vagrant") for name in ("lia", "max")]
    for provider in ("docker", "lxc", "libvirt", "virtualbox"):
        assert (
            len({checkout.block(provider).addresses["containers-host"] for checkout in known}) == 2
        )
        assert usual.block(provider).addresses == plain.block(provider).addresses
    names = {checkout.block("docker").set["name"] for checkout in (plain, elsewhere, own_state)}
    assert len(names) == 3
