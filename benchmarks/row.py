"""One case of the table."""

from dataclasses import dataclass

from benchmarks.measure import Figure, Figures

LESS_IS_BETTER = {"KiB", "MiB", "ms", "s"}


@dataclass(frozen=True)
class Row:
    """One case, on one or more sides.

    Attributes:
        group: its part of the chat, or of the growth.
        case: the measured case.
        unit: the unit of all figures; processor time is per unit, or per message.
        figures: the figure of each side, ours first.
    """

    group: str
    case: str
    unit: str
    figures: Figures

    @property
    def less_is_better(self) -> bool:
        """True if a smaller figure is better."""
        return self.unit in LESS_IS_BETTER

    def times(self, side: str) -> float | None:
        """Return how many times as good as a side the first one is; None if undefined."""
        first, other = self.first, self.figures[side].value
        if self.less_is_better:
            return other / first.value if first.value else None
        return first.value / other if other else None

    @property
    def first(self) -> Figure:
        """The first side's figure."""
        return next(iter(self.figures.values()))
