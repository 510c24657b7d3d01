"""The parts of a machine in Azure, each with the body of the request that creates it."""

from dataclasses import dataclass, field
from typing import Any

from nochat.lab.azure.settings import DEFAULTS, Settings

TAG, COURSE = "nochat", "course"  # tag of resources that the machines share
NETWORK, SUBNET = "nochat-network", "machines"
# Not the ranges of containers and other machines: Ansible must find the address in this one.
RANGE, SUBNET_RANGE = DEFAULTS["network"], DEFAULTS["subnet"]
DISK_GB, DISK_KIND = DEFAULTS["disk_gb"], DEFAULTS["disk_kind"]
FIRST_PRIORITY = 1000

MACHINE = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
CARD = "Microsoft.Network/networkInterfaces"
ADDRESS = "Microsoft.Network/publicIPAddresses"
RULES = "Microsoft.Network/networkSecurityGroups"
NETWORKS = "Microsoft.Network/virtualNetworks"
GROUP = "Microsoft.Resources/resourceGroups"
SCHEDULE = "Microsoft.DevTestLab/schedules"
SCHEDULE_VERSION = "2018-09-15"


@dataclass(frozen=True)
class Part:
    """A resource to create.

    Attributes:
        type: Azure's name of the type.
        name: its name in the group.
        what: a description.
        size: a description of the size, if it matters.
        body: body of the request that creates it; empty if another part creates it as well.
    """

    type: str
    name: str
    what: str
    size: str = ""
    body: dict[str, Any] = field(default_factory=dict, repr=False)


def namespaces(settings: Settings) -> list[str]:
    """List the resource providers that the subscription must be registered for."""
    kinds = [MACHINE, NETWORKS, *([SCHEDULE] if settings.shutdown else [])]
    return [kind.partition("/")[0] for kind in kinds]


def shared(settings: Settings) -> list[Part]:
    """List the parts that all machines of a group share, in the order of their creation."""
    common = {"location": settings.location, "tags": {TAG: COURSE}}
    subnet = {"name": SUBNET, "properties": {"addressPrefix": SUBNET_RANGE}}
    network = {"addressSpace": {"addressPrefixes": [RANGE]}, "subnets": [subnet]}
    return [
        Part(GROUP, settings.resource_group_name, "resource group", body=common),
        Part(NETWORKS, NETWORK, "network", RANGE, {**common, "properties": network}),
    ]


def own(settings: Settings, token: str = "", public_key: str = "") -> list[Part]:
    """List the parts of one machine, in the order of their creation."""
    name = settings.vm_name
    common = {"location": settings.location, "tags": {TAG: token}}
    parts = [
        Part(
            RULES, f"{name}-rules", "firewall", _open_to(settings), {"properties": _rules(settings)}
        ),
        Part(ADDRESS, f"{name}-address", "public address", "Standard", _address(settings)),
        Part(CARD, f"{name}-card", "network card", body={"properties": _card(settings)}),
        Part(DISK, f"{name}-disk", "disk", f"{DISK_GB} GB {DISK_KIND}"),
        Part(
            MACHINE,
            name,
            "virtual machine",
            settings.vm_size,
            {"properties": _machine(settings, public_key)},
        ),
    ]
    if settings.shutdown:
        parts.append(
            Part(
                SCHEDULE,
                schedule_name(name),
                "daily shutdown",
                f"{settings.shutdown[:2]}:{settings.shutdown[2:]} UTC",
                {"properties": _schedule(settings)},
            )
        )
    for part in parts:
        if part.body:
            part.body.update(common)
    return parts


def schedule_name(machine: str) -> str:
    """Return the name that Azure requires for the daily shutdown of a machine."""
    return f"shutdown-computevm-{machine}"


def identifier(settings: Settings, part_type: str, name: str) -> str:
    """Return the id of a resource of the group."""
    group = f"/subscriptions/{settings.subscription_id}/resourceGroups"
    return f"{group}/{settings.resource_group_name}/providers/{part_type}/{name}"


def _open_to(settings: Settings) -> str:
    ports = [f"{port} from anywhere" for port in settings.ports]
    return ", ".join([f"22 from {settings.ssh_from or '?'}", *ports])


def _rules(settings: Settings) -> dict[str, Any]:
    """Return our rules; Azure adds its defaults, which allow the own network and deny the rest."""
    opened = [(22, settings.ssh_from)] + [(port, "*") for port in settings.ports]
    return {
        "securityRules": [
            {
                "name": f"tcp-{port}",
                "properties": {
                    "priority": FIRST_PRIORITY + at,
                    "direction": "Inbound",
                    "access": "Allow",
                    "protocol": "Tcp",
                    "sourceAddressPrefix": source,
                    "sourcePortRange": "*",
                    "destinationAddressPrefix": "*",
                    "destinationPortRange": str(port),
                },
            }
            for at, (port, source) in enumerate(opened)
        ]
    }


def _address(settings: Settings) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "publicIPAllocationMethod": "Static",
        "publicIPAddressVersion": "IPv4",
    }
    if settings.dns_name:
        properties["dnsSettings"] = {"domainNameLabel": settings.dns_name}
    return {"sku": {"name": "Standard"}, "properties": properties}


def _card(settings: Settings) -> dict[str, Any]:
    name = settings.vm_name
    subnet = f"{identifier(settings, NETWORKS, NETWORK)}/subnets/{SUBNET}"
    address = identifier(settings, ADDRESS, f"{name}-address")
    return {
        "networkSecurityGroup": {"id": identifier(settings, RULES, f"{name}-rules")},
        "ipConfigurations": [
            {
                "name": "first",
                "properties": {
                    "subnet": {"id": subnet},
                    "privateIPAllocationMethod": "Dynamic",
                    "publicIPAddress": {"id": address},
                },
            }
        ],
    }


def _machine(settings: Settings, public_key: str) -> dict[str, Any]:
    name, user = settings.vm_name, settings.admin_username
    key = {"path": f"/home/{user}/.ssh/authorized_keys", "keyData": public_key}
    card = identifier(settings, CARD, f"{name}-card")
    return {
        "hardwareProfile": {"vmSize": settings.vm_size},
        "storageProfile": {
            "imageReference": settings.image,
            "osDisk": {
                "name": f"{name}-disk",
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "diskSizeGB": DISK_GB,
                "managedDisk": {"storageAccountType": DISK_KIND},
            },
        },
        "osProfile": {
            "computerName": name,
            "adminUsername": user,
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {"publicKeys": [key]},
            },
        },
        "networkProfile": {
            "networkInterfaces": [
                {"id": card, "properties": {"primary": True, "deleteOption": "Delete"}}
            ]
        },
    }


def _schedule(settings: Settings) -> dict[str, Any]:
    return {
        "status": "Enabled",
        "taskType": "ComputeVmShutdownTask",
        "dailyRecurrence": {"time": settings.shutdown},
        "timeZoneId": "UTC",
        "notificationSettings": {"status": "Disabled"},
        "targetResourceId": identifier(settings, MACHINE, settings.vm_name),
    }
