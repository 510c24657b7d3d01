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


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_case_is_measured_on_both_sides(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", tmp_path / "bench.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = {row["case"]: row for row in json.loads((tmp_path / "bench.json").read_text())["rows"]}
    assert rows.keys() == {*BUS, *WHOLE, *GATEWAY}
    for case, row in rows.items():
        assert case in done.stdout
        assert min(row["chat"]["value"], row["peer"]["value"], row["ratio"]) > 0
        assert (row["chat"]["broker_us"] is not None) == (case in BUS + WHOLE)
