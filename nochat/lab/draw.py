"""Drawings for the notebooks: SVG by matplotlib, which JupyterLab and the site show alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nochat.lab.chat import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, GREY = "#1f6feb", "#8b949e"
WIDEST = 10.8  # inches; a wider drawing has to be scrolled in JupyterLab


def on() -> None:
    """Show every plot of this notebook as SVG."""
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg")  # type: ignore[no-untyped-call]


def sequence(steps: Sequence[Step], origin: str = "browser") -> "Figure":
    """Draw a trace as a sequence diagram: sender, receiver, message and milliseconds.

    Args:
        steps: the steps of one correlation id (`Chat.trace`).
        origin: the leftmost participant, which sent the messages that no service has published.
    """
    arrows = _arrows(steps, origin)
    names = list(dict.fromkeys(name for start, end, *_ in arrows for name in (start, end)))
    figure, axes = _figure(min(1.9 * len(names), WIDEST), 0.45 * len(arrows) + 0.8)
    columns = {name: index for index, name in enumerate(names)}
    began = steps[0].at
    for row, (start, end, kind, at) in enumerate(arrows):
        _arrow(axes, columns[start], columns[end], row, f"{kind}  +{(at - began) * 1000:.1f} ms")
    for name, column in columns.items():
        axes.axvline(column, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes.text(column, -1.1, name, ha="center", va="center", weight="bold")
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(arrows), -1.6))
    axes.axis("off")
    return figure


def bars(title: str, pairs: Sequence[tuple[object, float]], unit: str = "messages") -> "Figure":
    """Draw counts as horizontal bars, in the order given.

    Args:
        title: the title of the chart.
        pairs: (name, count).
        unit: the unit of the counts.
    """
    figure, axes = _figure(6, 0.35 * max(len(pairs), 1) + 0.9)
    axes.barh([str(name) for name, _ in pairs], [count for _, count in pairs], color=BLUE)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """Create a figure that a cell shows only once, as its value."""
    import matplotlib.pyplot as plt  # it writes a cache of fonts

    figure, axes = plt.subplots(figsize=(width, height))
    plt.close(figure)
    return figure, axes


def _arrows(steps: Sequence[Step], origin: str) -> list[tuple[str, str, str, float]]:
    """Return (from, to, type, time) for each message that was handled."""
    senders = {step.event_id: step.service for step in reversed(steps) if step.step == "published"}
    arrows = [(origin, steps[0].service, "socket.io", steps[0].at)]
    for step in steps:
        if step.step == "handled":
            sender = senders.get(step.event_id, origin)
            arrows.append((sender, step.service, step.type, step.at))
            if step.service == "gateway":
                arrows.append((step.service, origin, "socket.io", step.at))
    return arrows


def _arrow(axes: "Axes", start: int, end: int, row: int, label: str) -> None:
    style = {"arrowstyle": "->", "color": BLUE, "linewidth": 1.4}
    axes.annotate("", xy=(end, row), xytext=(start, row), arrowprops=style)
    middle = (start + end) / 2
    axes.text(middle, row - 0.12, label, ha="center", va="bottom", fontsize=8)
