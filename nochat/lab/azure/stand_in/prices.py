"""Prices in the stand-in for Azure, in the form of Azure's public list; they are of 2026."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nochat.lab.azure.stand_in.store import LOCATIONS

# Service, product, meter, size, unit, US dollars.
PRICES = (
    ("Virtual Machines", "Virtual Machines BS Series", "B1s", "Standard_B1s", "1 Hour", 0.012),
    ("Virtual Machines", "Virtual Machines BS Series", "B1ms", "Standard_B1ms", "1 Hour", 0.024),
    ("Virtual Machines", "Virtual Machines BS Series", "B2s", "Standard_B2s", "1 Hour", 0.048),
    (
        *("Virtual Machines", "Virtual Machines BS Series Windows", "B2s", "Standard_B2s"),
        *("1 Hour", 0.056),
    ),
    ("Virtual Machines", "Virtual Machines BS Series", "B2ms", "Standard_B2ms", "1 Hour", 0.096),
    (
        *("Virtual Machines", "Virtual Machines BS Series", "B2s Spot", "Standard_B2s"),
        *("1 Hour", 0.0112),
    ),
    ("Storage", "Standard SSD Managed Disks", "E4 LRS Disk", "", "1/Month", 2.4),
    (
        *("Virtual Network", "IP Addresses", "Standard IPv4 Static Public IP", ""),
        *("1 Hour", 0.005),
    ),
)
FIELDS = {"priceType": "type"}  # fields with another name in filters
CONDITION = re.compile(r"(\w+) eq '([^']*)'")


async def prices(request: Request) -> Response:
    """List the prices that match a filter."""
    wanted = dict(CONDITION.findall(request.query_params.get("$filter", "")))
    wanted = {FIELDS.get(key, key): value for key, value in wanted.items()}
    items = [
        item for item in _items() if all(item.get(key) == value for key, value in wanted.items())
    ]
    return JSONResponse(
        {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": items,
            "NextPageLink": None,
            "Count": len(items),
        }
    )


def _items() -> list[dict[str, Any]]:
    return [
        {
            "currencyCode": "USD",
            "tierMinimumUnits": 0.0,
            "retailPrice": price,
            "unitPrice": price,
            "armRegionName": location,
            "meterName": meter,
            "productName": product,
            "skuName": meter,
            "serviceName": service,
            "unitOfMeasure": unit,
            "type": "Consumption",
            "armSkuName": size,
        }
        for location in LOCATIONS
        for service, product, meter, size, unit, price in PRICES
    ]
