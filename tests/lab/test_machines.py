"""What is said of machines that can't be made, and what is written about those that can.

Machines themselves are in tests/machines.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import nochat
from nochat.lab import machines
from nochat.lab.machines import farm, guards
from nochat.local import doctor

SSH_CONFIG = """\
Host containers-host
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  IdentityFile "/a folder/private_key"
  LogLevel FATAL

Host database-host
  HostName 10.0.3.7
  User vagrant
  Port 22
  IdentityFile /other/private_key
"""
ADDRESSES = {"containers-host": "198.18.0.11", "database-host": "198.18.0.12"}


@pytest.fixture
def vagrant(tmp_path, monkeypatch):
    """A Vagrantfile, and a program `vagrant` that does what a test tells it."""
    (tmp_path / "Vagrantfile").write_text("# containers-host and database-host\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("VAGRANT_DOTFILE_PATH", str(tmp_path / "made"))
    monkeypatch.setitem(farm.NEEDS, "virtualbox", ())

    def says(script: str) -> None:
        (programs / "vagrant").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "vagrant").chmod(0o755)

    yield says
    says("exit 0")
    for guard in [*guards._guards.values()]:
        guard.release()


def failure(vagrant, said: str) -> str:
    vagrant(f"cat <<'END' >&2\n{said}\nEND\nexit 1")
    with pytest.raises(machines.MachinesError) as caught:
        machines.up(provider="virtualbox", quiet=True)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("write /var/lib/x: no space left on device", "the disk is full"),
        ("Bind for 127.0.0.1:8000 failed: port is already allocated", "a port is taken"),
        ("The provider 'virtualbox' could not be found, but was requested", "nochat doctor"),
        ("permission denied while trying to connect to the Docker daemon socket", "usermod"),
        ("Cannot connect to the Docker daemon at unix:///x", "Docker does not answer"),
        ("The box 'nochat/debian' could not be found or", "make box"),
        ("dial tcp: lookup registry: no such host", "make box"),
        ("another process is already executing an action on the machine", "wait for it"),
        ("something else", "see above"),
    ],
)
def test_an_error_of_vagrant_s_comes_with_what_to_do(vagrant, said, advice):
    message = failure(vagrant, said)
    assert "`vagrant up --provision --provider=virtualbox` failed" in message
    assert said in message
    assert advice in message


def test_an_unknown_provider_names_the_known_ones():
    with pytest.raises(machines.MachinesError, match=r"no provider 'vmwere'; .*docker, lxc"):
        machines.up(provider="vmwere")


@pytest.mark.parametrize(
    ("need", "provider"), [("vagrant", "libvirt"), ("lxc", "lxc"), ("docker", "docker")]
)
def test_missing_programs_are_named_with_the_command_that_installs_them(
    monkeypatch, need, provider
):
    kept = tuple(candidate for candidate in doctor.COMPONENTS if candidate.name != need)
    [component] = (candidate for candidate in doctor.COMPONENTS if candidate.name == need)
    absent = replace(component, ways=())
    monkeypatch.setattr(doctor, "COMPONENTS", (*kept, absent))
    with pytest.raises(doctor.Missing, match=f"{need} is not on this machine.*apt-get install"):
        machines.up(provider=provider)


def test_without_a_vagrantfile_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nochat, "__file__", str(tmp_path / "nochat" / "x.py"))
    with pytest.raises(machines.MachinesError, match=r"no Vagrantfile in .*: go to the project"):
        machines.find_root()


UP = """
case $1 in
up)
    echo '==> containers-host: Importing base box...'
    echo '    database-host: SSH address: 10.0.3.7:22'
    echo 'changed: [database-host]'
    echo 'ok: [database-host] => (item=x)'
    mkdir -p made/machines/containers-host/virtualbox
    echo 1 >made/machines/containers-host/virtualbox/id ;;
ssh-config) cat ssh_config ;;
destroy) shift; echo "$@" >>destroyed; rm -f made/machines/*/*/id ;;
esac
"""


def test_the_steps_of_vagrant_are_shown_for_each_machine(vagrant, tmp_path, monkeypatch, capsys):
    vagrant(UP)
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    farm = machines.up(provider="virtualbox")
    seen = capsys.readouterr().out
    for text in ("containers-host", "Importing base box...", "Ansible: 1 changed, 1 ok"):
        assert text in seen
    assert repr(farm) == (
        "<Farm of virtualbox: containers-host at 198.18.0.11, database-host at 198.18.0.12>"
    )
    assert farm.url("database-host", 80) == "http://10.0.3.7:80"
    assert farm.url("containers-host", 80) == "http://198.18.0.11:80"
    with pytest.raises(machines.MachinesError, match="no machine mail runs; there are: containers"):
        farm.ssh("mail", "true")
    folder = farm.inventory.parent
    farm.destroy()
    farm.destroy()
    assert (tmp_path / "destroyed").read_text() == "--force\n"
    assert not folder.exists()


def test_machines_that_ran_before_are_left(vagrant, tmp_path, monkeypatch):
    vagrant(UP)
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    before = tmp_path / "made" / "machines" / "database-host" / "virtualbox"
    before.mkdir(parents=True)
    (before / "id").touch()
    machines.up(provider="virtualbox", quiet=True).destroy()
    destroyed = tmp_path / "destroyed"
    assert destroyed.read_text() == "containers-host --force\n"
    # Also by the guard of a process that found all of them.
    destroyed.unlink()
    (before / "id").touch()
    (tmp_path / "made" / "machines" / "containers-host").rename(tmp_path / "away")
    vagrant("test $1 = ssh-config && cat ssh_config || echo $@ >>destroyed")
    machines.up(provider="virtualbox", quiet=True)
    destroyed.unlink()
    [guard] = guards._guards.values()
    guard.child.stop()
    assert not destroyed.exists()


def test_the_guard_destroys_what_was_not_there_before(vagrant, tmp_path, monkeypatch):
    vagrant(UP)
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    machines.up(provider="virtualbox", quiet=True)
    [guard] = guards._guards.values()
    guard.child.stop()
    assert (tmp_path / "destroyed").read_text() == "--force containers-host\n"
    assert not guard.folder.exists()


def test_what_vagrant_makes_by_hand_is_destroyed_too(vagrant, tmp_path, monkeypatch):
    vagrant(UP)
    machines.watch(provider="virtualbox", quiet=True)
    subprocess.run(["vagrant", "up"], check=True)
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    machines.up(provider="virtualbox", quiet=True)  # which finds it, and keeps the same guard
    [guard] = guards._guards.values()
    guard.child.stop()
    assert (tmp_path / "destroyed").read_text() == "--force containers-host\n"


def test_a_folder_of_one_s_own_goes_with_its_machines(vagrant, tmp_path, monkeypatch):
    monkeypatch.setattr("nochat.lab.servers.docker", lambda **_: None)
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "docker")
    vagrant(f"pwd >{tmp_path}/where; echo $* >{tmp_path}/destroyed")
    folder, notes = machines.empty_folder(), os.environ.get("VAGRANT_DOTFILE_PATH")
    assert (folder.is_dir(), [*folder.iterdir()], notes) == (True, [], None)
    (folder / ".vagrant" / "machines" / "hello").mkdir(parents=True)
    machines.watch(provider="virtualbox", quiet=True)
    assert os.environ["VAGRANT_DOTFILE_PATH"] == str(tmp_path / "made")
    guards._guards[folder / ".vagrant"].child.stop()
    assert (tmp_path / "where").read_text() == f"{folder}\n"
    assert (tmp_path / "destroyed").read_text() == "destroy --force hello\n"
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("endpoint", "kept"), [("https://127.0.0.1:9", False), ("https://management.example", True)]
)
def test_notes_go_with_a_stand_in_for_azure_alone(vagrant, tmp_path, monkeypatch, endpoint, kept):
    monkeypatch.setenv("AZURE_MANAGEMENT_ENDPOINT", endpoint)
    vagrant(UP.replace("virtualbox", "azure"))
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    machines.up(provider="azure", quiet=True)
    vagrant("exit 1")  # Nobody answers any more.
    [guard] = guards._guards.values()
    guard.child.stop()
    assert (tmp_path / "made" / "machines" / "containers-host" / "azure" / "id").exists() is kept


def test_one_machine_is_destroyed_alone(vagrant, tmp_path, monkeypatch):
    vagrant(UP.replace("rm -f made/machines/*/*/id", "rm -f made/machines/$1/*/id"))
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    farm = machines.up(provider="virtualbox", quiet=True)
    other = tmp_path / "made" / "machines" / "database-host" / "virtualbox"
    other.mkdir(parents=True)
    (other / "id").touch()
    farm.destroy("database-host")
    assert (tmp_path / "destroyed").read_text() == "database-host --force\n"
    assert farm.inventory.exists()
    farm.destroy()
    assert (tmp_path / "destroyed").read_text().endswith("\n--force\n")


@pytest.mark.slow
def test_the_hosts_file_is_for_ansible_and_for_us_alone(vagrant, tmp_path, monkeypatch):
    vagrant(UP)
    (tmp_path / "ssh_config").write_text(SSH_CONFIG)
    monkeypatch.setattr(machines.Farm, "_address", lambda _, name: ADDRESSES[name])
    farm = machines.up(provider="virtualbox", quiet=True)
    assert farm.inventory.stat().st_mode & 0o777 == 0o600
    read = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", farm.inventory, "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    hosts = json.loads(read.stdout)
    assert hosts["database"]["hosts"] == ["database-host"]
    assert hosts["containers"]["hosts"] == ["containers-host"]
    for group in ("servers", "app"):
        assert hosts[group]["hosts"] == ["containers-host", "database-host"]
    one = hosts["_meta"]["hostvars"]["containers-host"]
    assert one["ansible_ssh_private_key_file"] == "/a folder/private_key"
    assert (one["ansible_host"], one["ansible_port"]) == ("127.0.0.1", 2222)
    assert one["machine_addresses"] == ADDRESSES
    assert "UserKnownHostsFile=/dev/null" in one["ansible_ssh_common_args"]
    assert "-F none" in one["ansible_ssh_common_args"]
