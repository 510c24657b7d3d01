"""The settings of a machine in Azure: the keys of the Vagrantfile's block `azure`."""

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nochat.lab.errors import AzureSettingsError
from nochat.lab.inventory import CONTAINERS_HOST

PUBLIC = "https://management.azure.com"
# The Vagrantfile and the role `azure` read this file, too.
DEFAULTS: dict[str, Any] = json.loads(
    Path(__file__).with_name("defaults.json").read_text(encoding="utf-8")
)
# The machines of the Vagrantfile, with the ports that are open to all.
MACHINES: dict[str, str] = {
    name: ",".join(map(str, ports)) for name, ports in DEFAULTS["ports"].items()
}
# The variables of the settings without default.
NEEDED = {
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",  # pragma: allowlist secret
    "AZURE_SUBSCRIPTION_ID": "subscription_id",
}
OTHERS = {
    "AZURE_RESOURCE_GROUP": "resource_group_name",
    "AZURE_LOCATION": "location",
    "AZURE_VM_SIZE": "vm_size",
    "AZURE_VM_IMAGE_URN": "vm_image_urn",
    "AZURE_SSH_FROM": "ssh_from",
    "AZURE_SSH_USERNAME": "admin_username",
    "AZURE_MANAGEMENT_ENDPOINT": "management_endpoint",
}
RELEASE = "13"


def _image(release: str) -> str:
    return str(DEFAULTS["image"]).replace("RELEASE", release)


@dataclass(frozen=True)
class Settings:
    """The settings of one machine and its account.

    Attributes:
        tenant_id: the application's directory.
        client_id: the application that acts for the student.
        client_secret: its password: not for the screen.
        subscription_id: the subscription that pays.
        vm_name: name of the machine, and prefix of the names of its parts.
        resource_group_name: the resource group for everything.
        location: the region.
        vm_size: Azure's name of the machine's size.
        vm_image_urn: publisher, offer, sku and version of the image.
        tcp_endpoints: ports open to all, separated by commas.
        ssh_from: addresses that port 22 is open to, as 203.0.113.7/32; `*` is everybody.
        shutdown: hour and minute (UTC) of the daily shutdown; empty for none.
        dns_name: label of a DNS name for the machine's address; it needs open ports.
        admin_username: the user for the log-in.
        management_endpoint: URL of Azure Resource Manager; empty for the public one.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    subscription_id: str
    vm_name: str
    resource_group_name: str = DEFAULTS["resource_group"]
    location: str = DEFAULTS["location"]
    vm_size: str = DEFAULTS["vm_size"]
    vm_image_urn: str = _image(RELEASE)
    tcp_endpoints: str = ""
    ssh_from: str = ""
    shutdown: str = DEFAULTS["shutdown"]
    dns_name: str = ""
    admin_username: str = DEFAULTS["user"]
    management_endpoint: str = ""

    @classmethod
    def from_environment(
        cls, machine: str = CONTAINERS_HOST, environment: Mapping[str, str] = os.environ
    ) -> Self:
        """Read the same variables as the Vagrantfile.

        Raises:
            AzureSettingsError: a variable without a default is not set.
        """
        given = {name: value for name, value in environment.items() if value}
        if missing := [name for name in NEEDED if name not in given]:
            raise AzureSettingsError(
                f"not set: {', '.join(missing)}. docs/machines.md says where to get them."
            )
        values = {key: given[name] for name, key in {**NEEDED, **OTHERS}.items() if name in given}
        values.setdefault("vm_image_urn", _image(given.get("NOCHAT_DEBIAN", RELEASE)))
        values["vm_name"] = "-".join(filter(None, [given.get("AZURE_VM_NAME"), machine]))
        if ports := MACHINES[machine]:
            values["tcp_endpoints"] = given.get("AZURE_TCP_ENDPOINTS", ports)
            values["dns_name"] = given.get("AZURE_DNS_NAME", "")
        values["shutdown"] = environment.get("AZURE_SHUTDOWN", cls.shutdown)
        return cls(**values)

    @property
    def endpoint(self) -> str:
        """The address of Azure Resource Manager, without a slash at the end."""
        return (self.management_endpoint or PUBLIC).rstrip("/")

    @property
    def ports(self) -> list[int]:
        """The ports that are open to all.

        Raises:
            AzureSettingsError: an entry is not a port.
        """
        try:
            return [int(endpoint) for endpoint in self.tcp_endpoints.split(",") if endpoint.strip()]
        except ValueError:
            raise AzureSettingsError(
                f"AZURE_TCP_ENDPOINTS is {self.tcp_endpoints!r}; expected ports, such as 80,443."
            ) from None

    @property
    def image(self) -> dict[str, str]:
        """The machine's image in Azure's form.

        Raises:
            AzureSettingsError: the setting is not the name of an image.
        """
        parts = self.vm_image_urn.split(":")
        if len(parts) != 4:
            raise AzureSettingsError(
                f"AZURE_VM_IMAGE_URN is {self.vm_image_urn!r}; expected four parts, as "
                f"{Settings.vm_image_urn}."
            )
        return dict(zip(("publisher", "offer", "sku", "version"), parts, strict=True))

    def check(self) -> None:
        """Check for mistakes that Azure would accept, or refuse only late.

        Raises:
            AzureSettingsError: a setting is missing or wrong.
        """
        if not self.ssh_from:
            raise AzureSettingsError(
                "AZURE_SSH_FROM is not set: from which address do you log in? Find out how the "
                "internet sees yours (curl https://ifconfig.me), and set it with /32 at its end: "
                "export AZURE_SSH_FROM=203.0.113.7/32"
            )
        try:
            ipaddress.ip_network("0.0.0.0/0" if self.ssh_from == "*" else self.ssh_from)
        except ValueError as error:
            raise AzureSettingsError(
                f"AZURE_SSH_FROM is {self.ssh_from!r} ({error}); expected as 203.0.113.7/32."
            ) from None
        if self.shutdown and not re.fullmatch(r"([01]\d|2[0-3])[0-5]\d", self.shutdown):
            raise AzureSettingsError(
                f"AZURE_SHUTDOWN is {self.shutdown!r}; expected as 2200, in UTC."
            )
        if self.ports and 22 in self.ports:
            raise AzureSettingsError(
                "AZURE_TCP_ENDPOINTS has 22: AZURE_SSH_FROM says who may log in."
            )
        _ = self.image
