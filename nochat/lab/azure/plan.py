"""A dry run of machines in Azure: their parts, and the price."""

import html
from dataclasses import dataclass

from nochat.lab.azure import parts, prices
from nochat.lab.azure.prices import Price
from nochat.lab.azure.settings import Settings
from nochat.lab.errors import NoPrices
from nochat.local.tables import as_html, as_text

HEAD = ("what", "name", "size", "region", "$/hour", "$/month")


@dataclass(frozen=True)
class Planned:
    """A resource that would be created.

    Attributes:
        what: a description.
        type: Azure's name of the type.
        name: its name.
        size: a description of the size; empty if it has none.
        location: its region.
        price: its price; None if it is free or the price is unknown.
    """

    what: str
    type: str
    name: str
    size: str
    location: str
    price: Price | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Its cells in a table."""
        hour, month = (self.price.hour, self.price.month) if self.price else (0, 0)
        money = (f"{hour:.4f}", f"{month:.2f}") if self.price else ("", "")
        return (self.what, self.name, self.size, self.location, *money)


@dataclass(frozen=True)
class Plan:
    """The resources that would be created.

    Attributes:
        resources: the resources in the order of their creation.
        note: a note on the prices.
    """

    resources: tuple[Planned, ...]
    note: str = ""

    @property
    def price(self) -> Price | None:
        """The price of all resources; None if the prices are unknown."""
        known = [resource.price.hour for resource in self.resources if resource.price]
        return Price(sum(known)) if known else None

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        rows = [resource.cells for resource in self.resources]
        if self.price:
            total = Planned("all of it", "", "", "", "", self.price)
            rows.append(total.cells)
        return rows

    def __repr__(self) -> str:
        return f"{as_text([HEAD, *self._rows])}\n{self.note}"

    def _repr_html_(self) -> str:
        return f"{as_html(HEAD, self._rows)}<p>{html.escape(self.note)}</p>"


def make(machines: list[Settings]) -> Plan:
    """Plan machines, with their prices if these are available."""
    costs: dict[str, Price] = {}
    note = "Prices are Azure's list prices in US dollars, without tax, for 730 hours a month"
    first = machines[0]
    try:
        costs = {
            parts.MACHINE: prices.machine(first.vm_size, first.location),
            parts.DISK: prices.disk(first.location),
            parts.ADDRESS: prices.address(first.location),
        }
    except NoPrices as error:
        note = f"Without prices: {error}"
    else:
        note += "; a machine that is switched off costs its disk and its address alone."
    wanted = [*parts.shared(first), *(part for machine in machines for part in parts.own(machine))]
    planned = (
        Planned(part.what, part.type, part.name, part.size, first.location, costs.get(part.type))
        for part in wanted
    )
    return Plan(tuple(planned), note)
