"""The table on the screen, and the same in build/bench.json."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.cases import Row
from benchmarks.page import PageRow

LINE = "{:<34} {:>12} {:>10} {:>10} {:>6}   {:>8} {:>8} {:>8}   {:>5}"
SATURATED = 0.95  # of its core: then the generator is what was measured

HEAD = (
    LINE.format("case", "unit", "chat", "peer", "ratio", "chat", "peer", "broker", "gen."),
    LINE.format("", "", "", "", "", "µs/unit", "µs/unit", "µs/unit", "busy"),
)
NOTES = (
    "chat, peer: median of alternating rounds. peer: Node's socket.io, one process without broker;",
    "for the bus, pika's BlockingConnection. ratio: chat/peer; of KiB, less is better.",
    "µs/unit: processor time, user and system, of all the server processes of a side (of the bus:",
    "of the client). gen. busy: the load generator's share of its core, of the busier side;",
    "with ! it was the limit. Without `whole path` or `stored`: the gateway on an in-process bus.",
)


PAGE_LINE = "{:<34} {:>12} {:>10} {:>10}"
PAGE_HEAD = ("", PAGE_LINE.format("page, in Chromium", "unit", "loopback", "fast 3G"))
PAGE_NOTES = (
    "page: medians, behind RabbitMQ. fast 3G: 150 ms and 1.6 Mbit/s, as Chromium emulates them; it",
    "does not slow websockets. From the navigation, or from the click on Send, to the document.",
)


def line(row: Row) -> str:
    """One line of the table."""
    broker = row.chat.broker_us
    busy = max(row.chat.generator, row.peer.generator)
    return LINE.format(
        row.case,
        row.unit,
        f"{row.chat.value:,.1f}" if row.unit == "KiB" else f"{row.chat.value:,.0f}",
        f"{row.peer.value:,.1f}" if row.unit == "KiB" else f"{row.peer.value:,.0f}",
        f"{row.ratio:.2f}",
        f"{row.chat.server_us:,.1f}",
        f"{row.peer.server_us:,.1f}",
        "" if broker is None else f"{broker:,.1f}",
        f"{busy:.0%}{'!' if busy > SATURATED else ''}" if busy else "",
    )


def page_line(row: PageRow) -> str:
    """One line of the page's table."""
    slow = "" if row.slow is None else f"{row.slow:,.0f}"
    return PAGE_LINE.format(row.case, row.unit, f"{row.loopback:,.0f}", slow)


def write(rows: Sequence[Row], page: Sequence[PageRow], path: Path) -> None:
    """Write everything as JSON."""
    machine = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "python-socketio": version("python-socketio"),
    }
    content = {
        "on": machine,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        "page": [asdict(row) for row in page],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
