"""Exercise 07c, with the prices of the stand-in for Azure: right plans pass, mistakes are named."""

import os
from collections.abc import Iterator

import pytest

from nochat.lab import exercise
from nochat.lab.azure import prices
from nochat.lab.azure.settings import MACHINES, Settings
from nochat.lab.azure.stand_in.starter import azure_stand_in
from nochat.lab.exercise.catalogue import find
from nochat.lab.exercise.price import DAY, SIZES, STUDENTS, TERM, WORK
from tests.exercises.solutions import solved, stub

pytestmark = pytest.mark.slow

MEMORY = {"containers-host": 426.3, "database-host": 124.3}  # MB, as notebook 07 measures
CHAT, DATABASE = MACHINES
BIG, SMALL = ("Standard_B2s", WORK, TERM), ("Standard_B1s", WORK, TERM)


@pytest.fixture(scope="module", autouse=True)
def _shop() -> Iterator[None]:
    with azure_stand_in(quiet=True) as azure, pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        yield


def of_the_notebook():
    """What the notebook has looked up before the exercise."""
    where = Settings.location
    return {
        "hour": {size: prices.machine(size, where).hour for size in SIZES},
        "disk": prices.disk(where).hour,
        "address": prices.address(where).hour,
    }


def plan(chat=BIG, database=BIG, *, students=STUDENTS, disks=1, addresses=1, of=MACHINES):
    """A plan, with the sum that somebody makes of it."""
    offer, rows = of_the_notebook(), {CHAT: chat, DATABASE: database}
    dollars = 0
    for size, on, exists in (rows[name] for name in of):
        extra = disks * offer["disk"] + addresses * offer["address"]
        dollars += students * (offer["hour"].get(size, 0) * on + extra * exists)
    return {**rows, "dollars": dollars}


def only_while_on(chat, database):
    """A plan whose sum takes machines that are off for free."""
    cheap = plan(*((size, on, on) for size, on, _ in (chat, database)))
    return {CHAT: chat, DATABASE: database, "dollars": cheap["dollars"]}


async def judged(term):
    return await exercise.check("07c", term, memory=MEMORY)


async def test_the_plan_of_the_notebook_passes():
    verdict = await judged(solved("07c", **of_the_notebook())["term"])
    assert verdict.passed, verdict


async def test_machines_that_are_destroyed_after_each_lesson_pass():
    gone = ("Standard_B2s", WORK, WORK)
    verdict = await judged(plan(gone, gone))
    assert verdict.passed, verdict


async def test_a_sum_in_whole_dollars_passes():
    made = plan(("Standard_B1ms", WORK + 8.5, TERM), SMALL)
    verdict = await judged(made | {"dollars": str(round(made["dollars"]))})
    assert verdict.passed, verdict


def counted(*, on=False, parts=1.0):
    """A plan whose sum takes machines as always on, or a part of the disks and addresses."""
    sized = [(size, exists if on else hours, exists) for size, hours, exists in (BIG, SMALL)]
    made = plan(*sized, disks=parts, addresses=parts)
    return {CHAT: BIG, DATABASE: SMALL, "dollars": made["dollars"]}


@pytest.mark.parametrize("written", ["${:,.2f}", "{:.0f} $"])
async def test_a_sum_with_its_sign_passes(written):
    made = plan(("Standard_B1ms", WORK, TERM), SMALL)
    verdict = await judged(made | {"dollars": written.format(made["dollars"])})
    assert verdict.passed, verdict


SAID = {
    "dollars": {CHAT: BIG, DATABASE: SMALL, "dollars": ...},
    CHAT: {CHAT: ("Standard_B2s", WORK, ...), DATABASE: SMALL, "dollars": 1},
}


@pytest.mark.parametrize("where", SAID)
async def test_what_is_left_of_the_cell_is_said(where):
    verdict = await judged(SAID[where])
    assert f"left in {where}." in verdict.said


ROWS = [
    "Standard_B2s",
    ("Standard_B2s", WORK),
    {"size": "Standard_B2s", "on": WORK, "exists": TERM},
]


@pytest.mark.parametrize("row", ROWS)
async def test_a_machine_in_another_shape_is_told_the_right_one(row):
    verdict = await judged({CHAT: row, DATABASE: row, "dollars": 1})
    assert verdict.mistake == "row", verdict
    assert repr(row) in verdict.said


WRONG = {
    "untouched": lambda: stub("07c")["term"],
    "failed": lambda: {CHAT: BIG, DATABASE: SMALL, "dollars": "fifteen hundred"},
    "missing": lambda: {CHAT: BIG, "dollars": 100},
    "row": lambda: {CHAT: BIG[:2], DATABASE: SMALL, "dollars": 1500},
    "unfinished": lambda: {CHAT: BIG, DATABASE: ("Standard_B1s", ..., ...), "dollars": 1500},
    "size": lambda: plan(("Standard_D64s_v5", WORK, TERM)),
    "memory": lambda: plan(SMALL),
    "hours": lambda: plan(("Standard_B2s", WORK / 2, TERM)),
    "exists": lambda: plan(("Standard_B2s", WORK, WORK / 2)),
    "dear": lambda: plan(("Standard_B2s", DAY, TERM), ("Standard_B2s", DAY, TERM)),
    "student": lambda: plan(students=1),
    "disks": lambda: plan(disks=0),
    "addresses": lambda: plan(addresses=0),
    "machines_alone": lambda: plan(disks=0, addresses=0),
    "while_on": lambda: only_while_on(BIG, BIG),
    "always": lambda: counted(on=True),
    "shared": lambda: counted(parts=0.5),
    "one": lambda: plan(database=SMALL, of=[CHAT]),
    "sum": lambda: plan() | {"dollars": 1},
}


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_in_a_plan_is_named(mistake):
    verdict = await judged(WRONG[mistake]())
    assert verdict.mistake == mistake, verdict


async def test_two_mistakes_in_a_sum_are_named_one_after_the_other():
    verdict = await judged(plan(students=1, disks=0.5, addresses=0.5))
    assert verdict.mistake == "student", verdict
    verdict = await judged(plan(disks=0.5, addresses=0.5))
    assert verdict.mistake == "shared", verdict


async def test_prices_that_nobody_tells_are_no_mistake_of_a_plan(monkeypatch):
    made = plan()
    monkeypatch.setenv("AZURE_PRICES_URL", f"{os.environ['AZURE_PRICES_URL']}/nothing")
    verdict = await judged(made)
    assert verdict.mistake == "no_prices", verdict
    assert "can't be read" in verdict.said


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG, "no_prices"} == {*find("07c").mistakes}
