"""Azure's prices, from its public list, which needs no account."""

import os
from dataclasses import dataclass

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from nochat.lab.errors import NoPrices

PUBLIC = "https://prices.azure.com/api/retail/prices"
MONTH_HOURS = 730
DISK_METER = "E4 LRS Disk"  # the smallest that 30 GB fit in
ADDRESS_METER = "Standard IPv4 Static Public IP"
# Offers other than a dedicated machine with Linux.
OTHERS = ("Spot", "Low Priority", "Windows", "Cloud Services", "CloudServices")


@dataclass(frozen=True)
class Price:
    """A price in US dollars, without tax.

    Attributes:
        hour: the price per hour.
    """

    hour: float

    @property
    def month(self) -> float:
        """The price per month without a shutdown."""
        return self.hour * MONTH_HOURS


def machine(size: str, location: str) -> Price:
    """Look up the price of a machine.

    Raises:
        NoPrices: it can't be had.
    """
    return _price(f"serviceName eq 'Virtual Machines' and armSkuName eq '{size}'", location)


def disk(location: str) -> Price:
    """Look up the price of a machine's disk.

    Raises:
        NoPrices: it can't be had.
    """
    return _price(f"serviceName eq 'Storage' and meterName eq '{DISK_METER}'", location)


def address(location: str) -> Price:
    """Look up the price of a public address.

    Raises:
        NoPrices: it can't be had.
    """
    return _price(f"meterName eq '{ADDRESS_METER}'", location)


def _price(condition: str, location: str) -> Price:
    """Return the first matching price of a dedicated machine with Linux."""
    wanted = f"{condition} and armRegionName eq '{location}' and priceType eq 'Consumption'"
    url = os.environ.get("AZURE_PRICES_URL") or PUBLIC
    try:
        with PipelineClient[HttpRequest, HttpResponse](url, retry_total=1) as client:
            request = HttpRequest("GET", url, params={"$filter": wanted})
            response = client.send_request(request, connection_timeout=10)
            response.raise_for_status()
            items = response.json()["Items"]
    except (AzureError, ValueError, KeyError) as error:
        raise NoPrices(f"the prices can't be read from {url}: {error}") from None
    for item in items:
        names = f"{item['productName']} {item['skuName']} {item['meterName']}"
        if any(other in names for other in OTHERS):
            continue
        if item["unitOfMeasure"] == "1 Hour":
            return Price(item["retailPrice"])
        if item["unitOfMeasure"] == "1/Month":
            return Price(item["retailPrice"] / MONTH_HOURS)
    raise NoPrices(f"the list of prices at {url} has none for: {wanted}")
