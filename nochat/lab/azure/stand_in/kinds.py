"""The types of resources in the stand-in for Azure, with their functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nochat.lab.azure.stand_in import compute, network, users
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import Resource, Store

SCHEDULE = "Microsoft.DevTestLab/schedules"


class MachineBackend(Protocol):
    """The real machines behind those of the stand-in, or nothing."""

    async def make(self, machine: Resource) -> None:
        """Create a machine."""

    async def delete(self, machine: Resource) -> None:
        """Delete a machine."""

    async def switch(self, machine: Resource, *, on: bool) -> None:
        """Start or stop a machine."""

    async def enforce(self) -> None:
        """Apply the current firewall rules."""


class NoMachines:
    """A backend without real machines."""

    async def make(self, machine: Resource) -> None:
        """Create nothing."""

    async def delete(self, machine: Resource) -> None:
        """Delete nothing."""

    async def switch(self, machine: Resource, *, on: bool) -> None:
        """Start and stop nothing."""

    async def enforce(self) -> None:
        """Apply nothing."""


@dataclass(frozen=True)
class Kind:
    """A type of resource, with its functions and its own fields."""

    type: str
    fill: Callable[[Store, Resource, Resource | None], None]
    check_delete: Callable[[Store, Resource], None] = lambda store, resource: None
    show: Callable[[Store, Resource], Resource] = compute.show
    takes_time: bool = True
    fields: frozenset[str] = frozenset()


def _fill_schedule(store: Store, schedule: Resource, _: Resource | None) -> None:
    store.refer({"id": schedule["properties"].get("targetResourceId", "")}, schedule)


def _fill_disk(store: Store, disk: Resource, known: Resource | None) -> None:
    if known is None:
        raise Refusal(501, "NotImplemented", "The stand-in makes no disk without a machine.")
    disk["properties"] = known["properties"]


KINDS = {
    kind.type.lower(): kind
    for kind in (
        Kind(users.NETWORK, network.fill_network, users.check_delete, users.show),
        Kind(users.RULES, network.fill_rules, users.check_delete, users.show),
        Kind(
            users.ADDRESS,
            network.fill_address,
            users.check_delete,
            users.show,
            fields=frozenset({"sku", "zones"}),
        ),
        Kind(users.CARD, network.fill_card, users.check_delete, users.show),
        Kind(
            compute.DISK, _fill_disk, compute.check_delete, fields=frozenset({"sku", "managedBy"})
        ),
        Kind(compute.MACHINE, compute.fill_machine, fields=frozenset({"zones", "identity"})),
        Kind(SCHEDULE, _fill_schedule, takes_time=False),
    )
}
