"""Peers that are measured where they are installed; nothing that we need."""

from benchmarks.sides import Start

OTHER_PROTOCOLS: set[str] = set()


def starts() -> dict[str, Start]:
    """Return what starts each that is here."""
    return {}
