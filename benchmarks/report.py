"""The results as a table on the screen, and in build/bench.json."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Size
from benchmarks.page import PageRow
from benchmarks.row import Row
from nochat.local import doctor

LINE = "  {:<18} {:>12} {:>7} {:>10} {:>10} {:>9} {:>6}"
SATURATED = 0.95  # of its core: then the generator was the limit

HEAD = (LINE.format("", "", "ours is", "µs/unit", "broker", "p99 ms", "gen."),)
NOTES = (
    "median of rounds that alternate between the sides. ours is: how many times as good as that",
    "side the first one is. µs/unit: processor time, user and system, of all the server processes",
    "of a side (of the bus: of the client); where the unit is ms, for a message. broker: the same",
    "of RabbitMQ. p99: of deliveries, or of sockets until they are welcome. gen.: the load",
    "generator's share of its core at work; with ! it was the limit.",
)
PAGE_LINE = "{:<34} {:>12} {:>10} {:>10}"
PAGE_HEAD = ("", PAGE_LINE.format("page, in Chromium", "unit", "loopback", "fast 3G"))
PAGE_NOTES = (
    "page: medians, behind RabbitMQ. fast 3G: 150 ms and 1.6 Mbit/s, as Chromium emulates them; it",
    "does not slow websockets. From the navigation, or from the click on Send, to the document.",
)


def line(row: Row) -> str:
    """Return the lines of a case: its name, and one for each side."""
    lines = [_line(row, name, figure) for name, figure in row.figures.items()]
    return "\n".join([f"{row.group}: {row.case}, {row.unit}", *lines])


def _line(row: Row, name: str, figure: Figure) -> str:
    times = None if figure is row.first else row.times(name)
    busy = figure.generator
    return LINE.format(
        name,
        number(figure.value),
        "" if times is None else f"{times:.2f}",
        f"{figure.server_us:,.1f}" if figure.server_us else "",
        "" if figure.broker_us is None else f"{figure.broker_us:,.1f}",
        f"{figure.p99:,.2f}" if figure.p99 else "",
        f"{busy:.0%}{'!' if busy > SATURATED else ''}" if busy else "",
    )


def number(value: float) -> str:
    """Format a figure with its significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def page_line(row: PageRow) -> str:
    """Return one line of the page's table."""
    slow = "" if row.slow is None else f"{row.slow:,.0f}"
    return PAGE_LINE.format(row.case, row.unit, f"{row.loopback:,.0f}", slow)


def machine(size: Size) -> dict[str, Any]:
    """Return the machine, the date and the size of the measurement, before it starts."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "python-socketio": version("python-socketio"),
        "node": _said(str(doctor.require("node")), "--version"),
        "size": asdict(size),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def write(on: dict[str, Any], rows: Sequence[Row], page: Sequence[PageRow], path: Path) -> None:
    """Write all results as JSON."""
    content = {
        "on": on,
        "rows": [asdict(row) for row in rows],
        "page": [asdict(row) for row in page],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
