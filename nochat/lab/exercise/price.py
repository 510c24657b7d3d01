"""Exercise 07c: what a term costs for a class, and half of it."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nochat.lab.azure import prices
from nochat.lab.azure.settings import MACHINES, Settings
from nochat.lab.errors import NoPrices
from nochat.lab.exercise.catalogue import Mistake, exercise, told

STUDENTS, WEEKS = 30, 16
TERM = WEEKS * 7 * 24  # hours
WORK = WEEKS * 10  # hours for which each student needs both machines
DAY = WEEKS * 7 * 14  # hours from 8 in the morning to the daily shutdown at 10 in the evening
SIZES = {  # GiB of memory
    "Standard_B1s": 1,
    "Standard_B1ms": 2,
    "Standard_B2s": 4,
    "Standard_B2ms": 8,
}
MB = 1073.7  # in a GiB
GROWTH = 2  # times what was measured while hardly anybody was there
SYSTEM = 500  # MB that a machine takes without the chat
NEAR = 0.01  # of the sum, as people round


@dataclass(frozen=True)
class Costs:
    """The costs of one student's machines, in dollars."""

    machines: float
    disks: float
    addresses: float

    @property
    def all(self) -> float:
        """The sum."""
        return self.machines + self.disks + self.addresses


@dataclass(frozen=True)
class Row:
    """A machine of a plan: its size, the hours for which it is on, and for which it exists."""

    size: str
    on: float
    exists: float


BEFORE = Row(Settings.vm_size, DAY, TERM)  # what the course's own settings make


@exercise(
    "07c",
    "a term for a class of 30, at half the price",
    untouched="Your `term` has no machines yet. What size is each, how long is it on, and how long "
    "is there something to pay for?",
    failed="Your `term` can't be read: {error}",
    missing="Your `term` says nothing of {machine}. The chat on one machine, its database on the "
    "other: who pays for that one?",
    unfinished="In your `term`, a `...` is left in {where}. What belongs there?",
    row="Your `term` has {row} for {machine}. It should be three things in brackets: the "
    "size, the hours on, and the hours that it exists, in this order.",
    size="There is no size {size!r} among {sizes}. What do the others cost?",
    no_prices="The prices can't be read, so nobody can judge your plan: {error}",
    memory="In the size {size}, {machine} has {has} MB, and it needs {needs:.0f}: twice "
    "what you measured, and {system} for the system. What does Linux do to programs when memory is "
    "short?",
    hours="{machine} is on for {on:g} hours, and each student works for {work} in a term. When "
    "may they work?",
    exists="{machine} is on for {on:g} hours, and exists for {exists:g}. Can a machine be on "
    "while it doesn't exist, and has a term of {weeks} weeks more than {term} hours?",
    dear="All right, but {cost:.0f} dollars is more than half of the {before:.0f} that it cost "
    "before. Which of the three prices is the biggest part of it now?",
    student="{said:.2f} dollars is a price for one student. How many are they?",
    disks="{said:.0f} dollars leaves out the disks. A machine that is switched off keeps its "
    "files: where?",
    addresses="{said:.0f} dollars leaves out the public addresses. Who holds them while a machine "
    "is off?",
    machines_alone="{said:.0f} dollars is what the machines cost alone. Which two rows of the plan "
    "go on while they are off?",
    while_on="{said:.0f} dollars counts disks and addresses only while the machines are on. What "
    "is billed for a machine that exists, and is off?",
    always="{said:.0f} dollars counts the machines as on for all the hours that they exist. "
    "Which part of the price ends when a machine is switched off?",
    shared="{said:.0f} dollars has one disk and one address for each student. How many machines "
    "are there to give them to?",
    one="{said:.0f} dollars is the price of {machine} alone. How many machines has a student?",
    sum="Your plan costs {cost:.0f} dollars, and you say {said:.0f}. Which price did you multiply "
    "by which hours?",
)
async def halved(answer: Mapping[str, Any], *, memory: Mapping[str, float], **_: Any) -> None:
    """Judge a plan by what it costs, and by what it leaves possible.

    Args:
        answer: for each machine its size, the hours for which it is on, and those for which it
            exists; and the dollars for the class.
        memory: MB that the programs of each machine take.
    """
    with told("failed"):
        if all(value is ... for value in answer.values()):
            raise Mistake("untouched")
        rows = {name: _row(answer, name) for name in MACHINES}
        said = _dollars(answer["dollars"])
    for name, row in rows.items():
        _compare_needs(name, row, memory.get(name, 0))
    try:
        offer = await asyncio.to_thread(read_offer)
    except NoPrices as error:
        raise Mistake("no_prices", error=error) from None
    cost = STUDENTS * offer.costs(rows).all
    _compare_sum(said, rows, offer, cost)
    before = STUDENTS * offer.costs(dict.fromkeys(MACHINES, BEFORE)).all
    if cost > before / 2:
        raise Mistake("dear", cost=cost, before=before)


def read_offer() -> "Offer":
    """Read the prices for an hour.

    Raises:
        NoPrices: the list can't be read.
    """
    where = Settings.location
    sizes = {size: prices.machine(size, where).hour for size in SIZES}
    return Offer(sizes, prices.disk(where).hour, prices.address(where).hour)


@dataclass(frozen=True)
class Offer:
    """The prices for an hour: of each size of a machine, of a disk, of a public address."""

    sizes: Mapping[str, float]
    disk: float
    address: float

    def costs(self, rows: Mapping[str, Row]) -> Costs:
        """Return what machines cost."""
        machines = sum(row.on * self.sizes[row.size] for row in rows.values())
        exist = sum(row.exists for row in rows.values())
        return Costs(machines, exist * self.disk, exist * self.address)


def _row(answer: Mapping[str, Any], name: str) -> Row:
    if answer.get(name, ...) is ...:
        raise Mistake("missing", machine=name)
    row = answer[name]
    if not isinstance(row, list | tuple) or len(row) != len(fields(Row)):
        raise Mistake("row", machine=name, row=repr(row))
    if ... in row:
        raise Mistake("unfinished", where=name)
    size, on, exists = row
    if size not in SIZES:
        raise Mistake("size", size=size, sizes=", ".join(SIZES))
    return Row(str(size), float(on), float(exists))


def _dollars(said: Any) -> float:
    """Read a sum as people write it, such as "$1,500"."""
    if said is ...:
        raise Mistake("unfinished", where="dollars")
    return float(str(said).replace(",", "").strip("$ "))


def _compare_needs(name: str, row: Row, memory: float) -> None:
    has, needs = round(SIZES[row.size] * MB), GROWTH * memory + SYSTEM
    if has < needs:
        raise Mistake("memory", machine=name, size=row.size, has=has, needs=needs, system=SYSTEM)
    if row.on < WORK:
        raise Mistake("hours", machine=name, on=row.on, work=WORK)
    if not row.on <= row.exists <= TERM:
        seen = {"machine": name, "on": row.on, "exists": row.exists}
        raise Mistake("exists", **seen, weeks=WEEKS, term=TERM)


def _compare_sum(said: float, rows: Mapping[str, Row], offer: Offer, cost: float) -> None:
    """Name what is missing in a sum."""
    if _near(said, cost):
        return
    of_one = offer.costs(rows)
    while_on = {name: Row(row.size, row.on, row.on) for name, row in rows.items()}
    always = {name: Row(row.size, row.exists, row.exists) for name, row in rows.items()}
    without = {
        "disks": of_one.all - of_one.disks,
        "addresses": of_one.all - of_one.addresses,
        "machines_alone": of_one.machines,
        "while_on": offer.costs(while_on).all,
        "always": offer.costs(always).all,
        "shared": of_one.machines + (of_one.disks + of_one.addresses) / len(rows),
    }
    if any(_near(said, dollars) for dollars in (of_one.all, *without.values())):
        raise Mistake("student", said=said)
    for code, dollars in without.items():
        if _near(said, STUDENTS * dollars):
            raise Mistake(code, said=said)
    for name, row in rows.items():
        if _near(said, STUDENTS * offer.costs({name: row}).all):
            raise Mistake("one", said=said, machine=name)
    raise Mistake("sum", said=said, cost=cost)


def _near(said: float, dollars: float) -> bool:
    return math.isclose(said, dollars, rel_tol=NEAR)
