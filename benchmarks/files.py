"""The files of the results."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "measured.md"  # included by docs/growth.md
PLOT = ROOT / "docs" / "_static" / "growth.svg"
