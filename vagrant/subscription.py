"""A subscription of Azure for the program for Vagrant: our resources, and retries."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conversation import Order, Refused, progress

from nochat.lab.azure import parts
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.explanations import code
from nochat.lab.azure.settings import Settings

# Azure's codes while another request, maybe of the other machine's process, is in progress.
BUSY = {
    "AnotherOperationInProgress",
    "RetryableError",
    "ReferencedResourceNotProvisioned",
    "NicReservedForAnotherVm",
}
GONE = {"ResourceGroupNotFound", "ResourceGroupBeingDeleted", "ResourceNotFound", "NotFound"}
PATIENCE = 300.0  # seconds to retry: the card of a failed machine is busy for 180
PAUSE = 3.0
GOING_ON = {"Creating", "Updating", "Deleting"}


class Subscription:
    """The student's subscription."""

    def __init__(self, order: Order, settings: Settings, clients: Clients) -> None:
        self.order, self.settings, self.clients = order, settings, clients
        self.group = settings.resource_group_name

    def kind(self, part_type: str) -> Any:
        """Return the SDK's operations for resources of a type."""
        client, name = {
            parts.MACHINE: ("compute", "virtual_machines"),
            parts.DISK: ("compute", "disks"),
            parts.CARD: ("network", "network_interfaces"),
            parts.ADDRESS: ("network", "public_ip_addresses"),
            parts.RULES: ("network", "network_security_groups"),
            parts.NETWORKS: ("network", "virtual_networks"),
        }[part_type]
        return getattr(getattr(self.clients, client), name)

    def listed(self, part_type: str) -> list[Any]:
        """Return all resources of a type in the group."""
        kind = self.kind(part_type)
        ask = kind.list_by_resource_group if part_type == parts.DISK else kind.list
        try:
            return list(ask(self.group))
        except ResourceNotFoundError:
            return []

    def ours(self, part_type: str) -> Iterator[Any]:
        """Return the machine's own resources of a type."""
        return (part for part in self.listed(part_type) if tag(part) == self.order.token)

    def put(self, part: parts.Part) -> Any:
        """Create or update a part, and wait until it is done."""
        kind = self.kind(part.type)
        return kind.begin_create_or_update(self.group, part.name, part.body).result()

    def settled(self, machine: Any) -> Any:
        """Wait until Azure has finished earlier requests; return the machine, or None."""
        deadline = time.monotonic() + PATIENCE
        while machine["properties"]["provisioningState"] in GOING_ON:
            if time.monotonic() > deadline:
                raise Refused("Azure works on this machine all the time: run the same again.")
            time.sleep(PAUSE)
            try:
                machine = self.clients.compute.virtual_machines.get(self.group, machine["name"])
            except ResourceNotFoundError:
                return None
        return machine

    def delete(self, part_type: str, name: str) -> None:
        """Delete a resource if it exists, and wait until it is gone."""
        kind = self.kind(part_type)
        progress(f"{part_type.partition('/')[2]} {name} is being deleted.")
        with_patience = lambda: kind.begin_delete(self.group, name).result()  # noqa: E731
        unless(GONE, lambda: patiently(with_patience))


def tag(resource: Any) -> str:
    """Return the value of our tag on a resource; empty if it is not ours."""
    return str((resource.tags or {}).get(parts.TAG, ""))


def patiently(ask: Callable[[], Any]) -> Any:
    """Retry a request while Azure is busy with another one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except HttpResponseError as error:
            if code(error) not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def unless(codes: set[str], ask: Callable[[], Any]) -> None:
    """Make a request, and ignore errors with these codes."""
    try:
        ask()
    except HttpResponseError as error:
        if code(error) not in codes:
            raise
