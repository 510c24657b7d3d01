"""Machines and disks in the stand-in for Azure: what Azure computes, and what it has not."""

import copy
import uuid
from typing import Any

from nochat.lab.arm.refusal import Refusal
from nochat.lab.arm.store import LOCATIONS, Resource, Store, now

MACHINE = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
FAMILY, FAMILY_NAME = "standardBSFamily", "Standard BS Family vCPUs"
# Name, cores, memory in GB.
SIZES = (
    ("Standard_B1ls", 1, 0.5),
    ("Standard_B1s", 1, 1),
    ("Standard_B1ms", 1, 2),
    ("Standard_B2s", 2, 4),
    ("Standard_B2ms", 2, 8),
    ("Standard_B4ms", 4, 16),
    ("Standard_D2s_v3", 2, 8),
)
RESTRICTED = {"Standard_D2s_v3"}  # as many are, for the subscriptions that students get
IMAGES = {
    ("debian", "debian-12", "12-gen2"): ("0.20260901.2221", "0.20261012.2262"),
    ("debian", "debian-12", "12"): ("0.20260901.2221", "0.20261012.2262"),
    ("debian", "debian-13", "13-gen2"): ("0.20261012.2262",),
    ("canonical", "ubuntu-24_04-lts", "server"): ("24.04.202610010",),
}
FORBIDDEN_USERS = {"admin", "administrator", "root", "test", "user", "guest", "sys"}


def cores(size: str) -> int:
    """The cores of a size."""
    return next(number for name, number, _ in SIZES if name.lower() == size.lower())


def fill_machine(store: Store, machine: Resource, known: Resource | None) -> None:
    """A machine, and the disk that comes with it."""
    properties = machine["properties"]
    os_profile = properties.get("osProfile", {})
    if known:
        _check_change(known["properties"]["osProfile"], os_profile)
    _check_size(properties["hardwareProfile"]["vmSize"], machine["location"])
    version = _find(properties["storageProfile"]["imageReference"])
    _check_user(os_profile)
    for card in properties["networkProfile"]["networkInterfaces"]:
        store.refer(card, machine)
    if not known:
        _check_quota(store, machine)
    properties["vmId"] = known["properties"]["vmId"] if known else str(uuid.uuid4())
    properties["timeCreated"] = known["properties"]["timeCreated"] if known else now()
    storage = properties["storageProfile"]
    storage["imageReference"]["exactVersion"] = version
    storage.setdefault("dataDisks", [])
    storage["diskControllerType"] = "SCSI"
    os_disk = storage["osDisk"]
    os_disk.update(osType="Linux", caching=os_disk.get("caching", "ReadWrite"))
    identifier = store.identifier(machine["id"].split("/")[4], DISK, os_disk["name"])
    os_disk["managedDisk"]["id"] = identifier
    os_profile.update(secrets=[], allowExtensionOperations=True, requireGuestProvisionSignal=True)
    os_profile["linuxConfiguration"].setdefault("provisionVMAgent", True)
    if not known:
        store.resources[identifier.lower()] = _disk(machine, identifier)


def _disk(machine: Resource, identifier: str) -> Resource:
    storage = machine["properties"]["storageProfile"]
    image = storage["imageReference"]
    size = storage["osDisk"].get("diskSizeGB", 30)
    where = "/Subscriptions/0/Providers/Microsoft.Compute/Locations"
    return {
        "id": identifier,
        "name": storage["osDisk"]["name"],
        "type": DISK,
        "location": machine["location"],
        "managedBy": machine["id"],
        "sku": {"name": storage["osDisk"]["managedDisk"]["storageAccountType"], "tier": "Standard"},
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": "V2",
            "creationData": {
                "createOption": "FromImage",
                "imageReference": {
                    "id": f"{where}/{machine['location']}/Publishers/{image['publisher']}"
                    f"/ArtifactTypes/VMImage/Offers/{image['offer']}/Skus/{image['sku']}"
                    f"/Versions/{image['exactVersion']}"
                },
            },
            "diskSizeGB": size,
            "diskSizeBytes": size * 2**30,
            "diskIOPSReadWrite": 500,
            "diskMBpsReadWrite": 60,
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "timeCreated": now(),
            "provisioningState": "Succeeded",
            "diskState": "Attached",
            "uniqueId": str(uuid.uuid4()),
        },
    }


def _check_change(before: Any, after: Any) -> None:
    def fixed(profile: Any) -> Any:
        keys = profile["linuxConfiguration"]["ssh"]["publicKeys"]
        return profile["adminUsername"], profile["computerName"], [it["keyData"] for it in keys]

    if fixed(before) != fixed(after):
        raise Refusal(
            409,
            "PropertyChangeNotAllowed",
            "Changing property 'osProfile' is not allowed.",
        )


def _check_size(size: str, location: str) -> None:
    known = {name.lower() for name, _, _ in SIZES}
    if size.lower() not in known:
        names = ",".join(name for name, _, _ in SIZES)
        raise Refusal(
            400,
            "InvalidParameter",
            f"The value {size} provided for the VM size is not valid. The valid sizes in the "
            f"current region are: {names}. Find out more on the valid VM sizes in each region at "
            "https://aka.ms/azure-regionservices.",
        )
    if size in RESTRICTED:
        raise Refusal(
            409,
            "SkuNotAvailable",
            "The requested VM size for resource 'Following SKUs have failed for Capacity "
            f"Restrictions: {size}' is currently not available in location '{location}'. Please "
            "try another size or deploy to a different location or different zone. See "
            "https://aka.ms/azureskunotavailable for details.",
        )


def versions(publisher: str, offer: str, sku: str) -> tuple[str, ...]:
    """The versions of an image; none where there is no such image."""
    return IMAGES.get((publisher.lower(), offer.lower(), sku.lower()), ())


def _find(image: dict[str, str]) -> str:
    names = [image.get(it, "") for it in ("publisher", "offer", "sku")]
    found, wanted = versions(*names), image.get("version", "")
    if not found or wanted not in ("latest", *found):
        raise Refusal(
            404,
            "PlatformImageNotFound",
            f"The platform image '{':'.join([*names, wanted])}' is not available. Verify that all "
            "fields in the storage profile are correct. For more details about storage profile "
            "information, please refer to https://aka.ms/storageprofile",
        )
    return found[-1] if wanted == "latest" else wanted


def _check_user(profile: dict[str, Any]) -> None:
    if profile.get("adminUsername", "").lower() in {"", *FORBIDDEN_USERS}:
        raise Refusal(
            400,
            "InvalidParameter",
            "The Admin Username specified is not allowed. For more information about disallowed "
            "usernames, see https://aka.ms/vmosprofile",
        )
    keys = profile.get("linuxConfiguration", {}).get("ssh", {}).get("publicKeys", [])
    if not keys or not all(it["keyData"].startswith(("ssh-rsa ", "ssh-ed25519 ")) for it in keys):
        raise Refusal(
            400,
            "InvalidParameter",
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.",
        )


def used(store: Store, location: str) -> int:
    """The cores that the machines of a region have."""
    sizes = [
        it["properties"]["hardwareProfile"]["vmSize"]
        for it in store.of(MACHINE)
        if it["location"] == location
    ]
    return sum(map(cores, sizes))


def _check_quota(store: Store, machine: Resource) -> None:
    location, number = (
        machine["location"],
        cores(machine["properties"]["hardwareProfile"]["vmSize"]),
    )
    now_used = used(store, location)
    if now_used + number > store.cores:
        raise Refusal(
            409,
            "OperationNotAllowed",
            "Operation could not be completed as it results in exceeding approved Total Regional "
            "Cores quota. Additional details - Deployment Model: Resource Manager, Location: "
            f"{location}, Current Limit: {store.cores}, Current Usage: {now_used}, Additional "
            f"Required: {number}, (Minimum) New Limit Required: {now_used + number}. Please read "
            "more about quota limits at https://aka.ms/AzurePerVMQuotaLimits.",
        )


def view(machine: Resource) -> dict[str, Any]:
    """How a machine is right now."""
    state, at = machine["properties"]["provisioningState"], machine["properties"]["timeCreated"]
    statuses = [
        {
            "code": f"ProvisioningState/{state.lower()}",
            "level": "Error" if state == "Failed" else "Info",
            "displayStatus": f"Provisioning {state.lower()}",
            "time": at,
        }
    ]
    if power := machine.get("_power"):
        shown = f"VM {power}"
        status = {"code": f"PowerState/{power}", "level": "Info", "displayStatus": shown}
        statuses.append(status)
    return {"hyperVGeneration": "V2", "statuses": statuses}


def show(_: Store, resource: Resource, *, with_view: bool = False) -> Resource:
    """A resource as it is answered."""
    shown = copy.deepcopy({key: it for key, it in resource.items() if not key.startswith("_")})
    if with_view:
        shown["properties"]["instanceView"] = view(resource)
    return shown


def check_delete(_: Store, resource: Resource) -> None:
    """Look whether a disk can go.

    Raises:
        Refusal: a machine has it.
    """
    if machine := resource.get("managedBy"):
        raise Refusal(
            409, "OperationNotAllowed", f"Disk {resource['name']} is attached to VM {machine}."
        )


def delete_machine(store: Store, machine: Resource) -> None:
    """Delete a machine, with what is to go with it."""
    store.resources.pop(machine["id"].lower(), None)
    os_disk = machine["properties"]["storageProfile"]["osDisk"]
    identifier = os_disk["managedDisk"]["id"].lower()
    if os_disk.get("deleteOption") == "Delete":
        store.resources.pop(identifier, None)
    elif disk := store.resources.get(identifier):
        disk.pop("managedBy", None)
        disk["properties"]["diskState"] = "Unattached"
    for card in machine["properties"]["networkProfile"]["networkInterfaces"]:
        if card.get("properties", {}).get("deleteOption") == "Delete":
            store.resources.pop(card["id"].lower(), None)


def skus(subscription: str, location: str) -> list[dict[str, Any]]:
    """The sizes, as they are to be had in a region."""
    return [
        {
            "resourceType": "virtualMachines",
            "name": name,
            "tier": "Standard",
            "size": name.removeprefix("Standard_"),
            "family": FAMILY,
            "locations": [location],
            "locationInfo": [{"location": location, "zones": ["1", "2", "3"], "zoneDetails": []}],
            "capabilities": [
                {"name": "vCPUs", "value": str(number)},
                {"name": "MemoryGB", "value": f"{memory:g}"},
            ],
            "restrictions": [
                {
                    "type": "Location",
                    "values": [location],
                    "restrictionInfo": {"locations": [location]},
                    "reasonCode": "NotAvailableForSubscription",
                }
            ]
            if name in RESTRICTED
            else [],
        }
        for name, number, memory in SIZES
        if location in LOCATIONS
    ]


def usages(store: Store, location: str) -> list[dict[str, Any]]:
    """How much of its quotas the subscription uses in a region."""
    names = {"cores": "Total Regional vCPUs", FAMILY: FAMILY_NAME}
    return [
        {
            "unit": "Count",
            "currentValue": used(store, location),
            "limit": store.cores,
            "name": {"value": name, "localizedValue": shown},
        }
        for name, shown in names.items()
    ]
