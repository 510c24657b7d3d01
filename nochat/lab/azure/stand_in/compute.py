"""Machines and disks in the stand-in for Azure: computed fields and refusals."""

import copy
import uuid
from typing import Any

from nochat.lab.azure.stand_in import catalogue
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import Resource, Store, now

MACHINE = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
FORBIDDEN_USERS = {"admin", "administrator", "root", "test", "user", "guest", "sys"}


def fill_machine(store: Store, machine: Resource, known: Resource | None) -> None:
    """Fill in a machine's computed fields, and create its disk."""
    properties = machine["properties"]
    os_profile = properties.get("osProfile", {})
    if known:
        _check_change(known["properties"]["osProfile"], os_profile)
    catalogue.check_size(properties["hardwareProfile"]["vmSize"], machine["location"])
    version = catalogue.find_image(properties["storageProfile"]["imageReference"])
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
        return profile["adminUsername"], profile["computerName"], [key["keyData"] for key in keys]

    if fixed(before) != fixed(after):
        raise Refusal(
            409,
            "PropertyChangeNotAllowed",
            "Changing property 'osProfile' is not allowed.",
        )


def _check_user(profile: dict[str, Any]) -> None:
    if profile.get("adminUsername", "").lower() in {"", *FORBIDDEN_USERS}:
        raise Refusal(
            400,
            "InvalidParameter",
            "The Admin Username specified is not allowed. For more information about disallowed "
            "usernames, see https://aka.ms/vmosprofile",
        )
    keys = profile.get("linuxConfiguration", {}).get("ssh", {}).get("publicKeys", [])
    if not keys or not all(key["keyData"].startswith(("ssh-rsa ", "ssh-ed25519 ")) for key in keys):
        raise Refusal(
            400,
            "InvalidParameter",
            "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.",
        )


def used(store: Store, location: str) -> int:
    """Count the cores of the machines in a region."""
    sizes = [
        machine["properties"]["hardwareProfile"]["vmSize"]
        for machine in store.of(MACHINE)
        if machine["location"] == location
    ]
    return sum(map(catalogue.cores, sizes))


def _check_quota(store: Store, machine: Resource) -> None:
    location, number = (
        machine["location"],
        catalogue.cores(machine["properties"]["hardwareProfile"]["vmSize"]),
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
    """Return the instance view of a machine: its current state."""
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
    """Return a resource in the form of an answer."""
    shown = copy.deepcopy(
        {key: value for key, value in resource.items() if not key.startswith("_")}
    )
    if with_view:
        shown["properties"]["instanceView"] = view(resource)
    return shown


def check_delete(_: Store, resource: Resource) -> None:
    """Check that a disk can be deleted.

    Raises:
        Refusal: a machine uses it.
    """
    if machine := resource.get("managedBy"):
        raise Refusal(
            409, "OperationNotAllowed", f"Disk {resource['name']} is attached to VM {machine}."
        )


def delete_machine(store: Store, machine: Resource) -> None:
    """Delete a machine, and the resources that are deleted with it."""
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


def usages(store: Store, location: str) -> list[dict[str, Any]]:
    """List the subscription's quotas in a region, with their usage."""
    names = {"cores": "Total Regional vCPUs", catalogue.FAMILY: catalogue.FAMILY_NAME}
    return [
        {
            "unit": "Count",
            "currentValue": used(store, location),
            "limit": store.cores,
            "name": {"value": name, "localizedValue": shown},
        }
        for name, shown in names.items()
    ]
