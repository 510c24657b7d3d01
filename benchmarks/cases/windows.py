"""Parameters that several groups of cases share."""

from benchmarks.measure import Size

PIPELINE, FEW = 16, 4  # messages in flight in a room


def pairs(size: Size) -> list[str]:
    """Return the names of the rooms of two."""
    return [f"pair-{number}" for number in range(size.pairs)]
