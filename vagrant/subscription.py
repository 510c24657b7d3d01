"""A subscription of Azure's as the program for Vagrant sees it: what is ours, and patience."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conversation import Order, Refused, progress

from nochat.lab.azure import parts
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.explanations import code
from nochat.lab.azure.settings import Settings

# What Azure says where another request, maybe of the other machine's process, is not done yet.
BUSY = {
    "AnotherOperationInProgress",
    "RetryableError",
    "ReferencedResourceNotProvisioned",
    "NicReservedForAnotherVm",
}
GONE = {"ResourceGroupNotFound", "ResourceGroupBeingDeleted", "ResourceNotFound", "NotFound"}
PATIENCE = 300.0  # seconds that something may be busy: a card of a machine that failed is for 180
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
        """All resources of a type in the group."""
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
        """Ask for a part, and wait for it."""
        kind = self.kind(part.type)
        return kind.begin_create_or_update(self.group, part.name, part.body).result()

    def settled(self, machine: Any) -> Any:
        """Return the machine when Azure is done with an earlier request; None if it is gone."""
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
        """Delete a resource, and wait until it is gone; that there is none is no error."""
        kind = self.kind(part_type)
        progress(f"{part_type.partition('/')[2]} {name} is being deleted.")
        with_patience = lambda: kind.begin_delete(self.group, name).result()  # noqa: E731
        unless(GONE, lambda: patiently(with_patience))


def tag(resource: Any) -> str:
    """Return the course that a resource belongs to; empty: it is not ours."""
    return str((resource.tags or {}).get(parts.TAG, ""))


def patiently(ask: Callable[[], Any]) -> Any:
    """Ask until Azure is not busy with something that this has to wait for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except HttpResponseError as error:
            if code(error) not in BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def unless(codes: set[str], ask: Callable[[], Any]) -> None:
    """Ask, where a refusal with one of these codes is as good."""
    try:
        ask()
    except HttpResponseError as error:
        if code(error) not in codes:
            raise
