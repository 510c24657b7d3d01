"""References between network resources in the stand-in for Azure, which prevent a deletion."""

from collections.abc import Iterator
from typing import Any

from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import Resource, Store

NETWORK = "Microsoft.Network/virtualNetworks"
RULES = "Microsoft.Network/networkSecurityGroups"
ADDRESS = "Microsoft.Network/publicIPAddresses"
CARD = "Microsoft.Network/networkInterfaces"


def show(store: Store, resource: Resource) -> Resource:
    """Return a resource with references to the resources that use it."""
    properties = dict(resource["properties"])
    match resource["type"].rpartition("/")[2]:
        case "publicIPAddresses":
            for _, config in configs(store):
                if same(config["properties"].get("publicIPAddress"), resource["id"]):
                    properties["ipConfiguration"] = {"id": config["id"]}
        case "networkSecurityGroups":
            cards = [card["id"] for card in users(store, resource)]
            if cards:
                properties["networkInterfaces"] = [{"id": card} for card in cards]
        case "virtualNetworks":
            properties["subnets"] = [_with_users(store, subnet) for subnet in properties["subnets"]]
        case "networkInterfaces":
            if machine := next(users(store, resource), None):
                properties.update(virtualMachine={"id": machine["id"]}, primary=True)
    return {**resource, "properties": properties}


def _with_users(store: Store, subnet: Resource) -> Resource:
    used = [
        {"id": config["id"]}
        for _, config in configs(store)
        if same(config["properties"]["subnet"], subnet["id"])
    ]
    more = {"ipConfigurations": used} if used else {}
    return {**subnet, "properties": {**subnet["properties"], **more}}


def users(store: Store, resource: Resource) -> Any:
    """Return the resources that use a security group or a card."""
    if resource["type"] == RULES:
        return (
            card
            for card in store.of(CARD)
            if same(card["properties"].get("networkSecurityGroup"), resource["id"])
        )
    return (
        machine
        for machine in store.of("Microsoft.Compute/virtualMachines")
        for card in machine["properties"]["networkProfile"]["networkInterfaces"]
        if same(card, resource["id"])
    )


def check_delete(store: Store, resource: Resource) -> None:
    """Check that a network resource can be deleted.

    Raises:
        Refusal: another resource uses it.
    """
    shown, at = show(store, resource)["properties"], resource["id"]
    match resource["type"].rpartition("/")[2]:
        case "publicIPAddresses" if used := shown.get("ipConfiguration"):
            raise Refusal(
                400,
                "PublicIPAddressCannotBeDeleted",
                f"Public IP address {at} can not be deleted since it is still allocated to "
                f"resource {used['id']}.",
            )
        case "networkSecurityGroups" if used := shown.get("networkInterfaces"):
            raise Refusal(
                400,
                "InUseNetworkSecurityGroupCannotBeDeleted",
                f"Network security group {at} cannot be deleted because it is in use by the "
                f"following resources: {used[0]['id']}.",
            )
        case "virtualNetworks":
            for subnet in shown["subnets"]:
                if used := subnet["properties"].get("ipConfigurations"):
                    raise Refusal(
                        400,
                        "InUseSubnetCannotBeDeleted",
                        f"Subnet {subnet['name']} is in use by {used[0]['id']} and cannot be "
                        "deleted. In order to delete the subnet, delete all the resources within "
                        "the subnet.",
                    )
        case "networkInterfaces" if used := shown.get("virtualMachine"):
            raise Refusal(
                400,
                "NicInUse",
                f"Network Interface {at} is used by existing resource {used['id']}. In order to "
                "delete the network interface, it must be dissociated from the resource.",
            )


def configs(store: Store) -> Iterator[tuple[Resource, Resource]]:
    """Yield all IP configurations, each with its network card."""
    for card in store.of(CARD):
        for config in card["properties"]["ipConfigurations"]:
            yield card, config


def same(reference: Any, identifier: str) -> bool:
    """Return whether a reference is to this resource."""
    return str((reference or {}).get("id", "")).lower() == identifier.lower()
