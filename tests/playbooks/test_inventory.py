"""Which machines playbooks run on when they are called by hand."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "playbooks" / "inventory.py"
HOSTS = """\
[servers]
server ansible_host=192.0.2.1 ansible_port=2222
[app:children]
servers
"""
SSH_CONFIG = """\
Host containers-host
  HostName 127.0.0.1
  User vagrant
  Port 2200
  StrictHostKeyChecking no
  IdentityFile "/home/a student/.vagrant/private_key"
  LogLevel FATAL

Host database-host
  HostName 127.0.0.1
  Port 2201
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("inventory", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def running(hosts, **environ) -> subprocess.CompletedProcess:
    environ = os.environ | {"ANSIBLE_HOSTS": str(hosts)} | environ
    command = [sys.executable, SCRIPT]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30)


@pytest.mark.slow
def test_a_hosts_file_is_read_as_ansible_reads_it(tmp_path):
    (tmp_path / "hosts").write_text(HOSTS)
    inventory = json.loads(running(tmp_path / "hosts").stdout)
    assert inventory["servers"] == {"hosts": ["server"]}
    assert inventory["app"] == {"children": ["servers"]}
    assert inventory["_meta"]["hostvars"]["server"]["ansible_port"] == 2222


def test_a_hosts_file_that_is_not_there_is_named(tmp_path):
    ran = running(tmp_path / "none")
    assert ran.returncode == 1
    assert f"no file {tmp_path / 'none'}, which ANSIBLE_HOSTS names" in ran.stderr


def test_without_vagrant_there_is_no_machine():
    inventory = json.loads(running("", PATH="/nowhere").stdout)
    assert inventory["all"]["hosts"] == []


def test_vagrants_machines_are_known_with_their_keys(script):
    machines = dict(script.machines(SSH_CONFIG))
    assert list(machines) == ["containers-host", "database-host"]
    containers = machines["containers-host"]
    assert containers["ansible_port"] == "2200"
    assert containers["ansible_user"] == "vagrant"
    assert containers["ansible_ssh_private_key_file"] == "/home/a student/.vagrant/private_key"


def test_known_hosts_are_left_alone_for_vagrants_machines_only(script, tmp_path):
    for variables in dict(script.machines(SSH_CONFIG)).values():
        assert "UserKnownHostsFile=/dev/null" in variables["ansible_ssh_common_args"]
        assert "-F none" in variables["ansible_ssh_common_args"]
    assert "checking" not in (SCRIPT.parent / "ansible.cfg").read_text().lower()


def test_the_roles_of_the_machines_are_those_of_the_vagrantfile(script):
    vagrantfile = (SCRIPT.parents[1] / "Vagrantfile").read_text()
    for name in ("containers", "database"):
        for machine in script.GROUPS[name]:
            assert f'name: "{machine}"' in vagrantfile
