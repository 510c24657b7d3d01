"""Where what was measured is kept."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "measured.md"  # which docs/growth.md includes
PLOT = ROOT / "docs" / "_static" / "growth.svg"
