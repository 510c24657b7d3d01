"""Machines of the provider azure: a stand-in for Azure, with real machines behind it.

Notebook 07 deploys the chat on such machines.
"""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from nochat.lab import machines
from nochat.lab.azure.account import AzureAccount
from nochat.lab.azure.clients import Clients
from nochat.lab.machines import Farm
from tests.waiting import wait_for

from .both import NAMES, line_with, noted, process
from .conftest import USER, containers, needs_root

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    needs_root,
]
LISTEN = "sudo systemd-run --collect python3 -m http.server {} --directory /srv"


@pytest.fixture(scope="module")
def farm(azure) -> Iterator[Farm]:
    """Both machines; of their playbooks only what the provider has a part in has run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_RUN_TAGS", "hosts")
        it = machines.up(provider="azure")
    with it:
        yield it


def answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=3):
        return True
    return False


def test_a_user_logs_in_by_key_and_is_root_by_sudo(farm: Farm) -> None:
    assert {*farm.hosts} == {*NAMES}
    for name in NAMES:
        assert farm.hosts[name]["user"] == USER
        said = farm.ssh(name, "whoami; hostname; sudo whoami; sudo systemctl is-system-running")
        assert said.split() == [USER, name, "root", "running"]
    assert farm.status() == dict.fromkeys(NAMES, "active")


def test_each_machine_is_told_of_the_other_though_they_came_up_side_by_side(farm: Farm) -> None:
    for name, other in (NAMES, NAMES[::-1]):
        assert farm.ssh(name, f"getent ahostsv4 {other}").split()[0] == farm.addresses[other]


def test_from_outside_only_the_rules_ports_are_open_and_between_machines_all(farm: Farm) -> None:
    ports = {"containers-host": {22, 80, 443}, "database-host": {22}}
    listening = (80, 443, 3306)
    for name in NAMES:
        for port in listening:
            farm.ssh(name, LISTEN.format(port))
    for name, address in farm.addresses.items():
        assert farm.reach(name) == address
        own = [port for port in listening if port in ports[name]]
        assert wait_for(lambda at=address, own=own: all(answers(at, it) for it in own), 20)
        tried = (22, *listening, 8000)
        with ThreadPoolExecutor() as pool:
            answered = zip(tried, pool.map(partial(answers, address), tried), strict=True)
            opened = {port for port, is_open in answered if is_open}
        assert opened == ports[name]
    for name, other in (NAMES, NAMES[::-1]):
        for port in listening:
            farm.ssh(name, f"timeout 5 bash -c 'exec 3<>/dev/tcp/{farm.addresses[other]}/{port}'")


def test_a_machine_that_was_switched_off_is_switched_on_again(farm: Farm, azure) -> None:
    account = AzureAccount.from_environment()
    with Clients(account.settings) as clients:
        clients.compute.virtual_machines.begin_deallocate("nochat", "containers-host").result()
    assert farm.status()["containers-host"] == "deallocated"
    again = machines.up("containers-host", provider="azure", provision=False, quiet=True)
    assert again.ssh("containers-host", "whoami").strip() == USER
    assert not answers(again.addresses["containers-host"], 8000)


def test_destroy_leaves_nothing(farm: Farm, before) -> None:
    account = AzureAccount.from_environment()
    assert len(account.left()) == len(account.plan().resources)
    farm.destroy("database-host")
    assert farm.ssh("containers-host", "whoami").strip() == USER
    assert {it.rpartition("/")[2] for it in account.left()} & {*NAMES} == {"containers-host"}
    farm.destroy()
    assert account.left() == []
    assert containers() == before


STUDENT = """
    import os, time
    from nochat.lab import machines
    from nochat.lab.azure.stand_in.starter import azure_stand_in

    azure = azure_stand_in(machines=True)
    os.environ.update(azure.environment)
    farm = machines.up("database-host", provider="azure", provision=False)
    print("reached", farm.ssh("database-host", "hostname"), flush=True)
    time.sleep(600)
"""


def test_a_killed_kernel_leaves_nothing(before, tmp_path) -> None:
    here, notes = containers(), tmp_path / "made"
    with process(STUDENT, VAGRANT_DOTFILE_PATH=str(notes), TMPDIR=str(tmp_path)) as student:
        assert line_with("reached", student).split() == ["reached", "database-host"]
        assert containers() > here
    assert wait_for(lambda: containers() == here, 120)
    assert wait_for(lambda: not list(notes.glob("machines/*/azure/id")), 120)
    assert wait_for(lambda: not list(tmp_path.glob("nochat-*")), 60)
    assert noted() != notes
