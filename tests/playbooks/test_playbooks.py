"""What the playbooks promise of themselves; machines try them in tests/machines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nochat.settings import Settings
from nochat.stores import privileges

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ROLES = PLAYBOOKS / "roles"
OF_BOTH = ("mariadb", "mongodb", "nochat", "rabbitmq", "wheels")  # roles that Rex knows, too
NAMES = (
    "servers",
    "app",
    "azure",
    "containers",
    "database",
    "deploy",
    "docker",
    "grow",
    "openstack",
    "stack",
)


def defaults(role) -> dict:
    return yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())


def tasks() -> list[dict]:
    collected = []
    for path in sorted(ROLES.glob("*/*/*.yml")):
        if path.parent.name in ("tasks", "handlers"):
            for task in yaml.safe_load(path.read_text()):
                collected += [task, *task.get("block", []), *task.get("rescue", [])]
    return collected


def test_accounts_get_the_rights_that_the_chat_says_it_needs():
    rabbitmq, mariadb, mongodb = map(defaults, ("rabbitmq", "mariadb", "mongodb"))
    given = tuple(rabbitmq[f"rabbitmq_{right}"] for right in ("configure", "write", "read"))
    assert given == privileges.RABBITMQ
    assert mariadb["mariadb_privileges"] == privileges.MARIADB
    assert mongodb["mongodb_role"] == privileges.MONGODB


def test_servers_listen_on_the_machine_itself_unless_told_otherwise():
    addresses = {
        knob: value
        for role in ("rabbitmq", "mariadb", "mongodb")
        for knob, value in defaults(role).items()
        if knob.endswith("_address")
    }
    assert set(addresses.values()) == {"127.0.0.1"}


def test_the_chat_knows_every_setting_that_it_is_given():
    text = (ROLES / "nochat" / "templates" / "nochat.env.j2").read_text()
    names = {name.lower() for name in re.findall(r"^NOCHAT_(\w+)=", text, re.M)}
    assert names <= set(Settings.__struct_fields__)


def test_every_service_of_the_chat_runs():
    from nochat.runtime import registry

    units = defaults("nochat")["nochat_units"].split()
    run = [name for unit in units for name in re.match(r"nochat@(.*)\.service", unit)[1].split("-")]
    assert sorted(run) == sorted(registry.names(Settings()))


@pytest.mark.parametrize(
    "path",
    [path for role in OF_BOTH for path in sorted((ROLES / role).glob("templates/*"))],
    ids=lambda path: path.name,
)
def test_both_tools_understand_the_templates(path):
    """Rex fills in names alone."""
    text = path.read_text()
    assert "{%" not in text
    plain = re.sub(r"\{\{ \w+( \| to_json)? \}\}", "", text)
    assert "{{" not in plain


@pytest.mark.slow
def test_rex_does_nothing_to_this_computer_where_the_inventory_names_no_machine(tmp_path):
    sudo, acted, hosts = tmp_path / "sudo", tmp_path / "acted", tmp_path / "hosts"
    # What Rex would do here, it would do as root.
    sudo.write_text(f'#!/bin/sh\necho "$@" >>{acted}\nexit 1\n')
    sudo.chmod(0o755)
    acted.touch()
    hosts.write_text("[other]\n")
    ran = subprocess.run(
        ["rex", "-m", "-f", PLAYBOOKS / "Rexfile", "deployServers"],
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.defpath]),
            "ANSIBLE_HOSTS": str(hosts),
            "NOCHAT_SECRETS": str(tmp_path / "secrets.yml"),
            "NOCHAT_VAULT_PASSWORD": "of the tests",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
    )
    assert ran.returncode != 0
    assert "the inventory has no machine for this task" in ran.stdout
    assert not re.search("install|apt-get|systemctl|tee", acted.read_text())


def test_files_with_secrets_are_for_the_service_alone_and_never_shown():
    secret = re.compile(r"_password|nochat_\w+_url")
    for task in tasks():
        template = task.get("ansible.builtin.template")
        if not template:
            continue
        names = task["loop"] if "item" in template["src"] else [template["src"]]
        for name in (template["src"].replace("{{ item }}", name) for name in names):
            text = next(ROLES.glob(f"*/templates/{name}")).read_text()
            if secret.search(text):
                assert template["mode"] == "0640", name
                assert task["no_log"], name


def test_units_run_as_nobody_special_with_nothing_to_spare():
    for path in [
        *ROLES.glob("nochat/templates/*@.service.j2"),
        *ROLES.glob("mongodb/templates/*.service.j2"),
    ]:
        lines = path.read_text().splitlines()
        assert any(line.startswith("User=") and line != "User=root" for line in lines)
        wanted = {"NoNewPrivileges=true", "ProtectSystem=strict", "PrivateTmp=true"}
        assert wanted | {"CapabilityBoundingSet=", "Restart=on-failure"} <= set(lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_ansible_reads_the_playbook(name, tmp_path):
    (tmp_path / "hosts").write_text("[containers]\n[database]\n[servers]\n[app]\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [program, "-i", tmp_path / "hosts", "--syntax-check", f"{name}.yml"]
    ran = subprocess.run(command, cwd=PLAYBOOKS, capture_output=True, text=True, timeout=50)
    assert ran.returncode == 0, ran.stdout + ran.stderr
