"""`make bench` measures every case; how fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUS = ("bus alone, 1 at a time; pika, one", "bus alone, 100 at a time; pika, one")
GATEWAY = ("flood", "one in flight", "rooms of 2", "connects", "idle connection")
WHOLE = (
    *(f"{case}, whole path" for case in ("flood", "one in flight", "rooms of 2", "connects")),
    "rooms of 2, until stored",
)
LOADS = {("first load", "requests"), ("first load", "KiB"), ("form usable", "ms")}
TALK = ("message sent", "another browser shows it")
UNSLOWED = {f"{case}, websocket" for case in TALK}
PAGE = {(f"{case}, {cache} cache", unit) for case, unit in LOADS for cache in ("cold", "warm")} | {
    (f"{case}, {transport}", "ms") for case in TALK for transport in ("websocket", "polling")
}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_case_is_measured_on_both_sides(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", tmp_path / "bench.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads((tmp_path / "bench.json").read_text())
    rows = {row["case"]: row for row in report["rows"]}
    assert rows.keys() == {*BUS, *WHOLE, *GATEWAY}
    for case, row in rows.items():
        assert case in done.stdout
        assert min(row["chat"]["value"], row["peer"]["value"], row["ratio"]) > 0
        assert (row["chat"]["broker_us"] is not None) == (case in BUS + WHOLE)
    page = {(row["case"], row["unit"]): row for row in report["page"]}
    assert page.keys() == PAGE
    for (case, _), row in page.items():
        assert case in done.stdout
        assert row["loopback"] > 0
        assert (row["slow"] or 0) > 0 or case in UNSLOWED
    # What the browser has, it does not ask for again: the page itself, and whose it is.
    assert page["first load, warm cache", "requests"]["loopback"] == 2
