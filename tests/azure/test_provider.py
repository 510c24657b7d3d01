"""Our provider azure, by the real SDK, against the stand-in for Azure.

tests/machines/test_final.py puts real machines behind it.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from nochat.lab.azure import parts
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.settings import Settings
from nochat.lab.azure.stand_in.starter import azure_stand_in
from nochat.lab.errors import CheckFailed
from tests.azure.student import GONE, KEY, PROGRAM, Student, cloud_azure

pytestmark = pytest.mark.slow


def test_a_plan_lists_what_is_made_and_nothing_of_it_is_left(student):
    names = ("containers-host", "database-host")
    with ThreadPoolExecutor() as side_by_side:
        made = list(side_by_side.map(lambda name: student.act("create", name), names))
    assert [machine.state for machine in made] == ["active", "active"]
    assert len({machine.host for machine in made}) == 2
    plan = student.account.plan()
    planned = {(resource.type, resource.name) for resource in plan.resources}
    there = {tuple(identifier.split("/")[-2:]) for identifier in student.account.left()}
    assert there == {(kind.rpartition("/")[2], name) for kind, name in planned}
    with ThreadPoolExecutor() as side_by_side:
        gone = list(side_by_side.map(lambda name: student.act("destroy", name), names))
    assert gone == [GONE, GONE]
    assert student.account.left() == []


def test_only_ssh_from_one_address_and_the_ports_are_let_in(student):
    student.act("create", ssh_from="198.51.100.7/32")
    student.act("create", "database-host")
    with Clients(student.settings) as clients:
        rules = {
            group["name"]: [
                (
                    rule["properties"]["destinationPortRange"],
                    rule["properties"]["sourceAddressPrefix"],
                )
                for rule in group["properties"]["securityRules"]
            ]
            for group in clients.network.network_security_groups.list("nochat")
        }
        machine = clients.compute.virtual_machines.get("nochat", "containers-host")
    assert rules == {
        "containers-host-rules": [("22", "198.51.100.7/32"), ("80", "*"), ("443", "*")],
        "database-host-rules": [("22", "198.18.0.0/15")],
    }
    linux = machine["properties"]["osProfile"]
    assert linux["linuxConfiguration"]["disablePasswordAuthentication"]
    assert "adminPassword" not in linux


def test_the_price_of_a_machine_is_shown_or_why_it_is_unknown(student, monkeypatch):
    plan = student.account.plan()
    assert plan.price.month == pytest.approx(2 * (0.048 * 730 + 2.4 + 0.005 * 730))
    assert "Standard_B2s" in repr(plan)
    assert ">containers-host-disk</td>" in plan._repr_html_()
    monkeypatch.setenv("AZURE_PRICES_URL", "https://127.0.0.1:9/")
    plan = student.account.plan()
    assert (plan.price, len(plan.resources)) == (None, 14)
    assert "can't be read" in repr(plan)


# What goes wrong.

WRONG = [
    ({"client_secret": "not the secret"}, "AADSTS7000215", "az ad app credential reset"),
    ({"client_id": "nobody"}, "AADSTS700016", "az ad app list"),
    ({"tenant_id": "nowhere"}, "nowhere", "az account show --query tenantId"),
    ({"subscription_id": "none"}, "SubscriptionNotFound", "az account list"),
    ({"vm_size": "Standard_D2s_v3"}, "SkuNotAvailable", "another AZURE_VM_SIZE"),
    ({"vm_size": "Standard_Z9"}, "Standard_Z9", "AZURE_VM_SIZE is not a size"),
    ({"vm_image_urn": "Debian:debian-9:9:latest"}, "PlatformImageNotFound", "az vm image list"),
    ({"vm_image_urn": "Debian"}, "four parts", "debian-13"),
    ({"location": "atlantis"}, "LocationNotAvailable", "az account list-locations"),
    ({"dns_name": "chat"}, "DnsRecordInUse", "another AZURE_DNS_NAME"),
    ({"admin_username": "root"}, "Admin Username", "another AZURE_SSH_USERNAME"),
    ({"ssh_from": ""}, "AZURE_SSH_FROM is not set", "curl"),
    ({"ssh_from": "home"}, "AZURE_SSH_FROM is 'home'", "203.0.113.7/32"),
    ({"tcp_endpoints": "22,80"}, "AZURE_TCP_ENDPOINTS has 22", "AZURE_SSH_FROM"),
    ({"tcp_endpoints": "http"}, "AZURE_TCP_ENDPOINTS is 'http'", "80,443"),
    ({"shutdown": "late"}, "AZURE_SHUTDOWN is 'late'", "2200"),
    ({"management_endpoint": "https://127.0.0.1:9"}, "refused", "nobody answers"),
]


def test_each_refusal_says_what_to_do(student):
    for changed, said, advice in WRONG:
        message = student.refusal(**changed)
        assert said in message
        assert advice in message
        assert "Trace" not in message


def test_where_there_are_too_few_cores_the_rest_is_found_again_with_a_smaller_size(student):
    student.act("create", "database-host")
    message = student.refusal(vm_size="Standard_B4ms")
    assert "OperationNotAllowed" in message
    assert "Current Limit: 4, Current Usage: 2, Additional Required: 4" in message
    assert "smaller AZURE_VM_SIZE" in message
    assert student.act("create", vm_size="Standard_B1s").state == "active"


@pytest.mark.parametrize("kind", ["virtualMachines", "networkInterfaces", "publicIPAddresses"])
def test_a_failed_creation_continues(student, kind):
    student.azure.fail(kind, "AllocationFailed", later=True)
    message = student.refusal()
    assert "AllocationFailed" in message
    assert "run again" in message
    if kind == "virtualMachines":
        assert student.act("state").state == "failed"
    assert student.act("create").state == "active"


@pytest.mark.parametrize("kind", ["virtualMachines", "networkInterfaces"])
def test_a_failed_creation_can_be_destroyed(student, kind):
    student.azure.fail(kind, "OSProvisioningTimedOut", later=True)
    assert "OS Provisioning" in student.refusal()
    assert student.act("destroy") == GONE
    assert student.account.left() == []


def test_a_destroy_that_failed_half_way_is_done_again(student):
    student.act("create")
    student.azure.fail("virtualMachines", "InternalServerError", method="DELETE", later=True)
    student.refusal("destroy")
    assert student.act("destroy") == GONE


def test_throttled_and_early_requests_are_retried(student):
    student.azure.fail("publicIPAddresses", "TooManyRequests", times=2)
    student.azure.fail("networkInterfaces", "AnotherOperationInProgress", times=2)
    assert student.act("create").state == "active"


def test_a_missing_role_is_named(student):
    student.azure.fail("resourceGroups", "AuthorizationFailed")
    assert "az role assignment create --role Contributor" in student.refusal()


def test_a_provider_that_is_not_registered_is_named_and_registered(student, monkeypatch):
    monkeypatch.setattr("azure.mgmt.core.policies._base.time.sleep", lambda seconds: None)
    student.azure.unregister("Microsoft.Network")
    with pytest.raises(CheckFailed, match="az provider register --namespace") as failed:
        student.account.preflight()
    assert "✗ Microsoft.Network is registered" in str(failed.value)
    student.act("create")
    assert "✓ Microsoft.Network is registered" in repr(student.account.preflight())


def interrupt(monkeypatch, method: str, part_type: str) -> None:
    """Interrupt the program when Azure has just been asked for something of a type."""
    whole = getattr(cloud_azure.Cloud, method)

    def interrupted(self, *what):
        part = what[0]
        if (part.type if method == "put" else part) != part_type:
            return whole(self, *what)
        monkeypatch.setattr(cloud_azure.Cloud, method, whole)
        kind = self.kind(part_type)
        if method == "put":
            kind.begin_create_or_update(self.group, part.name, part.body)
        else:
            kind.begin_delete(self.group, what[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(cloud_azure.Cloud, method, interrupted)


def test_a_creation_interrupted_at_any_step_continues(student, monkeypatch):
    for kind in (parts.NETWORKS, parts.RULES, parts.ADDRESS, parts.CARD, parts.MACHINE):
        interrupt(monkeypatch, "put", kind)
        with pytest.raises(KeyboardInterrupt):
            student.act("create")
    assert student.act("create").state == "active"
    for kind in (parts.MACHINE, parts.ADDRESS, parts.RULES, parts.NETWORKS):
        interrupt(monkeypatch, "delete", kind)
        with pytest.raises(KeyboardInterrupt):
            student.act("destroy")
    assert student.act("destroy") == GONE
    assert student.account.left() == []


def test_a_machine_whose_key_is_lost_is_made_anew(student):
    student.act("create")
    assert student.act("create", public_key=f"{KEY}other").state == "active"
    with Clients(student.settings) as clients:
        machine = clients.compute.virtual_machines.get("nochat", "containers-host")
    [key] = machine["properties"]["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"]
    assert key["keyData"] == f"{KEY}other"


def test_a_machine_that_is_off_is_switched_on(student):
    student.act("create")
    with Clients(student.settings) as clients:
        clients.compute.virtual_machines.begin_deallocate("nochat", "containers-host").result()
    assert student.act("state").state == "deallocated"
    assert student.act("create").state == "active"


def test_resources_of_others_stay(student):
    made = {"location": "westeurope"}
    with Clients(student.settings) as clients:
        clients.resources.resource_groups.create_or_update("nochat", made)
        student.act("create")
        machine = clients.compute.virtual_machines.get("nochat", "containers-host").as_dict()
        del machine["tags"]
        clients.compute.virtual_machines.begin_create_or_update(
            "nochat", "containers-host", machine
        ).result()
        assert "set AZURE_RESOURCE_GROUP" in student.refusal()
        with pytest.raises(CheckFailed, match="not of the course"):
            student.account.preflight()
        clients.resources.resource_groups.create_or_update(
            "nochat", made | {"tags": {"nochat": "playbook"}}
        )
        with pytest.raises(CheckFailed, match=r"made by azure\.yml"):
            student.account.preflight()
        clients.resources.resource_groups.create_or_update("nochat", made)
        # The rules and the address are ours, and in use.
        assert "Azure says" in student.refusal("destroy")
        clients.compute.virtual_machines.begin_delete("nochat", "containers-host").result()
        assert student.act("destroy") == GONE
        assert clients.resources.resource_groups.check_existence("nochat")
        clients.resources.resource_groups.begin_delete("nochat").result()


# The program, as Vagrant starts it.


def run(action: str, settings: Settings) -> tuple[list[dict[str, str]], str]:
    """Give the program an order; returns what it answers, and all that it wrote."""
    given = vars(settings)
    told = {"action": action, "token": "nochat-x-1", "settings": given, "public_key": KEY}
    ran = subprocess.run(
        [sys.executable, PROGRAM],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()], ran.stdout + ran.stderr


def test_the_program_s_errors_are_lines_of_json_without_the_secret(student):
    wrong = replace(student.settings, client_secret="a secret that is wrong")
    [answer], said = run("state", wrong)
    assert "AADSTS7000215" in answer["error"]
    assert "a secret that is wrong" not in said
    [answer], _ = run("state", student.settings)
    assert answer == {"state": "not_created", "host": None}


def test_a_cloud_that_is_gone_in_the_middle(monkeypatch):
    with azure_stand_in(quiet=True) as short:
        for name, value in short.environment.items():
            monkeypatch.setenv(name, value)
        student = Student(short, [])
        monkeypatch.setattr(
            cloud_azure, "progress", lambda line: short.stop() if "card" in line else None
        )
        message = student.refusal()
    assert "nobody answers" in message
    assert "REQUESTS_CA_BUNDLE" not in os.environ  # Its file is gone.
    assert short.secret not in message
