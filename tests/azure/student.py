"""A student who uses our provider for Azure by the real SDK, without Vagrant."""

import sys
from pathlib import Path

import pytest

from nochat.lab.azure.account import AzureAccount
from nochat.lab.azure.settings import Settings
from nochat.lab.azure.stand_in.starter import AzureStandIn

PROGRAM = Path(__file__).parents[2] / "vagrant" / "cloud_azure.py"
sys.path.insert(0, str(PROGRAM.parent))
import cloud_azure  # noqa: E402
from conversation import Machine, Order, Refused  # noqa: E402

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample"
GONE = Machine("not_created")


class Student:
    """Who uses the provider, without Vagrant."""

    def __init__(self, azure: AzureStandIn, secrets: list[str]) -> None:
        self.azure, self.secrets, self.made = azure, secrets, set[str]()
        self.account = AzureAccount.from_environment(azure.environment)

    @property
    def settings(self) -> Settings:
        return self.account.settings

    def act(self, action: str, name: str = "containers-host", **changed: str) -> Machine:
        given = {**vars(self.settings), **changed}
        if name != "containers-host":
            given |= {"vm_name": name, "tcp_endpoints": "", "dns_name": ""}
        key = given.pop("public_key", KEY)
        self.made |= {name} if action == "create" else set()
        self.secrets.append(given["client_secret"])
        return cloud_azure.act(Order(f"nochat-{name}-1234abcd", given, key), action)

    def refusal(self, action: str = "create", **changed: str) -> str:
        with pytest.raises(Refused) as refused:
            self.act(action, **changed)
        return str(refused.value)
