"""One case of the table."""

from dataclasses import dataclass

from benchmarks.measure import Figure, Figures

LESS_IS_BETTER = {"KiB", "MiB", "ms", "s"}


@dataclass(frozen=True)
class Row:
    """One case, on one or more sides.

    Attributes:
        group: the part of the chat, or of the growth, that it belongs to.
        case: what was measured.
        unit: of all figures; the processor's time is for one of it, or of a message.
        figures: of each side, ours first.
    """

    group: str
    case: str
    unit: str
    figures: Figures

    @property
    def less_is_better(self) -> bool:
        """Tell whether a small figure is a good one."""
        return self.unit in LESS_IS_BETTER

    def times(self, side: str) -> float | None:
        """Return how many times as good as a side the first one is; None if there is no telling."""
        first, other = self.first, self.figures[side].value
        if self.less_is_better:
            return other / first.value if first.value else None
        return first.value / other if other else None

    @property
    def first(self) -> Figure:
        """The first side's figure."""
        return next(iter(self.figures.values()))
