"""`make bench` measures every case; how fast anything is, no test says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import publish
from benchmarks.plan import Assumptions, Costs, plan, table

ROOT = Path(__file__).parent.parent
SOCKETS = {"engine", "gateway", "Node", "python-socketio"}
PATH = {"chat", "nochat up", "Node, amqplib", "Node"}
SIDES = {
    "sockets": SOCKETS,
    "bus": {"nochat.bus", "pika"},
    "whole path": PATH,
    "growth, clients in a room": {"engine", "gateway", "Node"},
    "growth, rooms of 2": {"engine", "gateway", "Node"},
    "growth, gateways": {"chat"},
    "growth, controllers": {"chat"},
    "start and search": {"chat"},
}
CASES = {
    "sockets": 7,
    "bus": 2,
    "whole path": 8,
    "growth, clients in a room": 1,
    "growth, rooms of 2": 1,
    "growth, gateways": 2,
    "growth, controllers": 2,
    "start and search": 4,
}
MEMORY = "memory when nobody is there"
STORED = "the same until stored"  # Node stores nothing
LOADS = {("first load", "requests"), ("first load", "KiB"), ("form usable", "ms")}
TALK = ("message sent", "another browser shows it")
UNSLOWED = {f"{case}, websocket" for case in TALK}
PAGE = {(f"{case}, {cache} cache", unit) for case, unit in LOADS for cache in ("cold", "warm")} | {
    (f"{case}, {transport}", "ms") for case in TALK for transport in ("websocket", "polling")
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What a quick run prints and writes."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_case_is_measured_on_all_sides(measured):
    printed, report = measured
    counts = dict.fromkeys(CASES, 0)
    for row in report["rows"]:
        counts[row["group"]] += 1
        wanted = SIDES[row["group"]]
        if row["case"] == STORED:
            wanted = wanted & {"chat", "nochat up"}
        assert row["figures"].keys() >= wanted
        assert f"{row['group']}: {row['case']}, {row['unit']}" in printed
        for name, figure in row["figures"].items():
            assert figure["value"] > 0, (row, name)
            with_broker = name in {"nochat.bus", "pika", "Node, amqplib"} or (
                name == "chat" and row["group"] != "start and search"
            )
            assert (figure["broker_us"] is not None) == (with_broker and row["case"] != MEMORY)
    assert counts == CASES


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_page_is_measured(measured):
    printed, report = measured
    page = {(row["case"], row["unit"]): row for row in report["page"]}
    assert page.keys() == PAGE
    for (case, _), row in page.items():
        assert case in printed
        assert row["loopback"] > 0
        assert (row["slow"] or 0) > 0 or case in UNSLOWED
    # What the browser has, it does not ask for again: the page itself, and whose it is.
    assert page["first load, warm cache", "requests"]["loopback"] == 2


# ---- what is made of it -------------------------------------------------------------------------

COSTS = Costs(
    delivery=10.0,
    message=100.0,
    decision=500.0,
    broker=200.0,
    queue=20.0,
    connection=30.0,
    connects=400.0,
)
SMALL = Assumptions(people=2000, sockets=500, seconds=3)


def test_a_plan_is_the_same_each_time():
    assert plan(SMALL, COSTS) == plan(SMALL, COSTS)


def test_a_gateway_has_no_more_sockets_than_it_may():
    assert plan(SMALL, COSTS).gateways == 4
    assert plan(replace(SMALL, sockets=200), COSTS).gateways == 10


def test_dearer_deliveries_need_more_gateways_and_none_is_too_busy():
    busy = plan(SMALL, replace(COSTS, delivery=5000.0))
    assert busy.gateways > 4
    assert 0 < busy.gateway_core <= SMALL.share


def test_no_number_of_gateways_is_enough_for_what_each_does_for_every_message():
    assert plan(SMALL, replace(COSTS, message=100_000.0)).gateways == 0
    assert "no number is enough" in table(SMALL, COSTS, plan(SMALL, replace(COSTS, message=1e5)))


def test_twice_the_messages_need_twice_the_cores_behind_the_gateways():
    once, twice = (
        plan(replace(SMALL, seconds_between=each, people=20_000), COSTS) for each in (20, 10)
    )
    assert twice.messages == pytest.approx(2 * once.messages, rel=0.1)
    assert twice.other_cores == pytest.approx(2 * once.other_cores, rel=0.1)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_site_gets_a_table_and_plots(measured, tmp_path):
    _, report = measured
    text = publish.page(report)
    for row in report["rows"]:
        assert row["group"].startswith("growth") or f"| {row['case']} | {row['unit']} |" in text
    assert "This was a quick run." in text
    publish.draw(report, tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text()
    assert {title for title in publish.GROWTHS.values() if title in drawn} == {
        *publish.GROWTHS.values()
    }
