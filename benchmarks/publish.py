"""`python -m benchmarks.publish [FILE]`: the site's table and plots, from a file of results.

They are kept with the sources, as a build of the site has neither a quiet machine nor 20 minutes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks import plan
from benchmarks.files import BENCH, PAGE, PLOT
from benchmarks.report import number

BUSY = 0.5  # load per core before the measurement, above which the machine was not quiet
GROWTHS = {
    "growth, clients in a room": "sockets in one room",
    "growth, rooms of 2": "rooms of two",
    "growth, gateways": "gateways",
    "growth, controllers": "controllers",
}
COLORS = {"engine": "#0072b2", "gateway": "#009e73", "chat": "#009e73", "Node": "#d55e00"}


def main() -> int:
    """Write both; return the exit status."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else BENCH
    measured = json.loads(file.read_text(encoding="utf-8"))
    PAGE.write_text(page(measured), encoding="utf-8")
    draw(measured, PLOT)
    print(f"{PAGE}, {PLOT}")
    return 0


def page(measured: dict[str, Any]) -> str:
    """Return the tables and the plan as Markdown."""
    parts = [_where(measured["on"])]
    groups = [*dict.fromkeys(row["group"] for row in measured["rows"])]
    for group in (group for group in groups if group not in GROWTHS):
        rows = [row for row in measured["rows"] if row["group"] == group]
        parts.append(f"### Measured: {group}\n\n{_table(rows)}")
    growth = (
        "![Figures that grow with clients, rooms, gateways and controllers](_static/growth.svg)"
    )
    parts.append(f"### Measured: growth\n\n{growth}")
    assumed, cost = plan.Assumptions(), plan.costs(measured)
    planned = plan.table(assumed, cost, plan.plan(assumed, cost))
    parts.append(f"### Planned: {assumed.people:,} people\n\n{planned}")
    return "\n\n".join(parts) + "\n"


def _where(on: dict[str, Any]) -> str:
    text = (
        f"Measured on {on['date']}: {on['cores']} cores ({on['processor'] or on['machine']}),"
        f" {on['memory_gib']:g} GiB, Python {on['python']}, Node {on['node']}; medians of rounds"
        f" of {on['size']['seconds']:g} s, {on['size']['rounds']} each."
    )
    reasons = []
    if on["load"][0] > BUSY * on["cores"]:
        reasons.append(f"Other programs were at work: the load was {on['load'][0]:.1f}.")
    if on["size"]["rounds"] == 1:
        reasons.append("This was a quick run.")
    if not reasons:
        return text
    return f"{text}\n\n:::{{warning}}\n{' '.join(reasons)} These figures say little.\n:::"


def _table(rows: list[dict[str, Any]]) -> str:
    sides = [*dict.fromkeys(side for row in rows for side in row["figures"])]
    lines = [
        f"| | {' | '.join(['', *sides])} |",
        f"|---|---|{'--:|' * len(sides)}",
        *(f"| {row['case']} | {row['unit']} | {_cells(row, sides)} |" for row in rows),
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any], sides: list[str]) -> str:
    return " | ".join(
        _cell(row["unit"], row["figures"][side]) if side in row["figures"] else "" for side in sides
    )


def _cell(unit: str, figure: dict[str, Any]) -> str:
    """Return a figure, with its latency or processor time in brackets."""
    text = number(figure["value"])
    if unit == "ms" and figure["p99"]:
        return f"{text} (p99 {number(figure['p99'])})"
    if unit.endswith("/s") and figure["server_us"]:
        return f"{text} ({number(figure['server_us'])} µs)"
    return text


def draw(measured: dict[str, Any], file: Path) -> None:
    """Draw the plots of growth."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "nochat", "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
    for (group, title), axis in zip(GROWTHS.items(), axes.flat, strict=True):
        rows = [row for row in measured["rows"] if row["group"] == group]
        sides = [*dict.fromkeys(side for row in rows for side in row["figures"])]
        for side in sides:
            shown = [row for row in rows if side in row["figures"]]
            counts = [int(row["case"].replace(",", "")) for row in shown]
            values = [row["figures"][side]["value"] for row in shown]
            axis.plot(counts, values, marker="o", label=side, color=COLORS.get(side))
        axis.set_xscale("log")
        axis.set_xticks([int(row["case"].replace(",", "")) for row in rows])
        axis.set_xticklabels([row["case"] for row in rows])
        axis.minorticks_off()
        axis.set_ylim(bottom=0)
        axis.set(title=title, ylabel=rows[0]["unit"])
        axis.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
