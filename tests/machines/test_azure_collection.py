"""`make test-azure-collection`: playbooks/azure.yml, against a stand-in with real machines."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nochat.lab import verify
from nochat.lab.azure.account import AzureAccount
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.settings import Settings
from nochat.lab.machines import provision

from .both import NAMES, answers
from .conftest import USER, containers, needs_root

pytestmark = [
    pytest.mark.azure_collection,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    needs_root,
]
SHIM = Path(__file__).with_name("collection")
GROUP = "nochat"


@pytest.fixture(scope="module", autouse=True)
def _collection_finds_a_stand_in(place) -> None:
    place.setenv("PYTHONPATH", str(SHIM))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("azure") / "made"


@pytest.fixture(scope="module")
def play(azure, folder):
    def run(**variables: str) -> list[str]:
        given = {"azure_folder": str(folder), "azure_private_key": str(folder / "private_key")}
        given |= variables
        ran = provision.ansible("azure.yml", variables=given)
        print(ran, flush=True)
        return [f"{task.host}: {task.name}" for task in ran.changed]

    return run


@pytest.fixture
def clients(azure) -> Iterator[Clients]:
    with Clients(Settings.from_environment()) as clients:
        yield clients


def by_hand(folder: Path, *command: str) -> str:
    """A command, with the project's own inventory, as a student types it in playbooks/."""
    env = {**os.environ, "ANSIBLE_HOSTS": str(folder / "hosts")}
    ran = subprocess.run(
        command,
        cwd="playbooks",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_wrong_secret_is_named_and_not_shown(play, azure) -> None:
    wrong = "not-the-secret-of-anybody"
    with pytest.raises(provision.RunFailed) as failed:
        play(azure_secret=wrong)
    said = str(failed.value) + repr(failed.value.run)
    assert "AADSTS7000215" in said
    assert wrong not in said
    assert azure.secret not in said


def test_missing_parts_are_named(play) -> None:
    with pytest.raises(provision.RunFailed, match=r"Not set: AZURE_CLIENT_SECRET\."):
        play(azure_secret="")


def test_a_group_that_others_made_is_left_alone(play, clients) -> None:
    body = {"location": "westeurope", "tags": {"nochat": "course"}}
    clients.resources.resource_groups.create_or_update("others", body)
    for state in ("present", "absent"):
        with pytest.raises(provision.RunFailed, match="did not make"):
            play(azure_resource_group="others", azure_state=state)
    assert clients.resources.resource_groups.get("others").tags == {"nochat": "course"}
    clients.resources.resource_groups.begin_delete("others").result()


def test_both_machines_are_made_and_ansible_logs_in(play, azure, folder) -> None:
    azure.unregister("Microsoft.DevTestLab")
    assert play()
    for name in ("hosts", "private_key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert azure.secret not in (folder / "hosts").read_text()
    for group, name in (("containers", NAMES[0]), ("database", NAMES[1])):
        said = by_hand(folder, "ansible", group, "-m", "command", "-a", "sh -c 'whoami; hostname'")
        assert said.split()[-2:] == [USER, name]
    assert by_hand(folder, "ansible", "all", "-m", "ping").count("pong") == len(NAMES)


def test_a_second_run_changes_nothing(play) -> None:
    assert play() == []


async def test_the_chat_is_deployed_by_hand_to_where_the_hosts_file_says(
    folder, images, registry, tmp_path
) -> None:
    """As the page "Deployment" tells who does it without a notebook."""
    (address,) = re.findall(r"containers-host ansible_host=(\S+)", (folder / "hosts").read_text())
    given = tmp_path / "deployment.yml"
    access = {name: getattr(registry, name) for name in ("address", "user", "password")}
    mine = {
        "stack_names": [address],
        "stack_images": images,
        "stack_registry": access | {"authority": registry.authority.read_text()},
        "stack_files": ["compose.yaml", "compose.offline.yaml", "compose.tls.yaml"],
    }
    given.write_text(yaml.safe_dump(mine))
    said = by_hand(folder, "ansible-playbook", "deploy.yml", "--extra-vars", f"@{given}")
    assert registry.password not in said
    trust = Path(by_hand(folder, sys.executable, "certificate", address).strip()) / "ca.pem"
    await verify.chat(f"https://{address}", trust=trust)
    await verify.only(address, [22, 80, 443], [22, 80, 443, 3306, 5672, 8000, 15672])


def test_it_is_made_as_vagrant_makes_it(clients) -> None:
    """The same names and sizes, and only what the rules say is let in."""
    opened = {"containers-host": {"80": "*", "443": "*"}, "database-host": {}}
    for name in NAMES:
        rules = clients.network.network_security_groups.get(GROUP, f"{name}-rules")
        ports = {
            rule["properties"]["destinationPortRange"]: rule["properties"]["sourceAddressPrefix"]
            for rule in rules.as_dict()["properties"]["securityRules"]
        }
        assert ports == {"22": os.environ["AZURE_SSH_FROM"], **opened[name]}
        machine = clients.compute.virtual_machines.get(GROUP, name).as_dict()["properties"]
        linux = machine["osProfile"]["linuxConfiguration"]
        assert linux["disablePasswordAuthentication"] is True
        assert [key["keyData"].split()[0] for key in linux["ssh"]["publicKeys"]] == ["ssh-ed25519"]
        assert machine["hardwareProfile"]["vmSize"] == Settings.vm_size
        disk = machine["storageProfile"]["osDisk"]
        assert (disk["name"], disk["diskSizeGB"]) == (f"{name}-disk", 30)
        assert disk["managedDisk"]["storageAccountType"] == "StandardSSD_LRS"
        address = clients.network.public_ip_addresses.get(GROUP, f"{name}-address").as_dict()
        assert address["sku"]["name"] == "Standard"
        assert address["properties"]["publicIPAllocationMethod"] == "Static"
        reached = address["properties"]["ipAddress"]
        assert answers(reached, 22)
        assert not answers(reached, 8000)
    plan = AzureAccount.from_environment().plan()
    left = AzureAccount.from_environment().left()
    assert len(left) == len(plan.resources)
    tags = {resource.id: resource.tags for resource in clients.resources.resources.list()}
    assert {labels["nochat"] for labels in tags.values()} == {"playbook"}


def test_absent_leaves_nothing_and_twice_is_no_error(play, azure, folder, before) -> None:
    assert play(azure_state="absent")
    assert AzureAccount.from_environment().left() == []
    assert containers() == before
    assert {path.name for path in folder.iterdir()} == {"private_key", "private_key.pub"}
    assert play(state="absent") == []
