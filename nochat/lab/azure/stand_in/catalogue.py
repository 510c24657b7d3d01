"""The catalogue of the stand-in for Azure: sizes of machines, and images."""

from typing import Any

from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import LOCATIONS

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
RESTRICTED = {"Standard_D2s_v3"}  # like many sizes in students' subscriptions
IMAGES = {
    ("debian", "debian-12", "12-gen2"): ("0.20260901.2221", "0.20261012.2262"),
    ("debian", "debian-12", "12"): ("0.20260901.2221", "0.20261012.2262"),
    ("debian", "debian-13", "13-gen2"): ("0.20260914.2601", "0.20261012.2262"),
    ("canonical", "ubuntu-24_04-lts", "server"): ("24.04.202610010",),
}


def cores(size: str) -> int:
    """Return the cores of a size."""
    return next(number for name, number, _ in SIZES if name.lower() == size.lower())


def check_size(size: str, location: str) -> None:
    """Check that a size is available.

    Raises:
        Refusal: it is not available, or unknown.
    """
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
    """Return the versions of an image; none for an unknown image."""
    return IMAGES.get((publisher.lower(), offer.lower(), sku.lower()), ())


def find_image(image: dict[str, str]) -> str:
    """Return the version of a machine's image.

    Raises:
        Refusal: there is no such image.
    """
    names = [image.get(key, "") for key in ("publisher", "offer", "sku")]
    known, wanted = versions(*names), image.get("version", "")
    if not known or wanted not in ("latest", *known):
        raise Refusal(
            404,
            "PlatformImageNotFound",
            f"The platform image '{':'.join([*names, wanted])}' is not available. Verify that all "
            "fields in the storage profile are correct. For more details about storage profile "
            "information, please refer to https://aka.ms/storageprofile",
        )
    return known[-1] if wanted == "latest" else wanted


def skus(location: str) -> list[dict[str, Any]]:
    """List the sizes that a region offers."""
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


def sizes(location: str) -> list[dict[str, Any]]:
    """List the sizes of a region, also those that are not available."""
    return [
        {
            "name": name,
            "numberOfCores": number,
            "memoryInMB": int(memory * 1024),
            "osDiskSizeInMB": 1047552,
            "resourceDiskSizeInMB": number * 4096,
            "maxDataDiskCount": 2 * number,
        }
        for name, number, memory in SIZES
        if location in LOCATIONS
    ]
