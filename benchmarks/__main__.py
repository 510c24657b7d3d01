"""`python -m benchmarks [--quick] [--json FILE]`."""

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from benchmarks import report
from benchmarks.cases import Row, rows
from benchmarks.load import LoadError
from benchmarks.measure import QUICK, Size
from nochat.doctor import Missing
from nochat.keeper import NotReady

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Measure, print and write; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures say little")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", metavar="FILE")
    options = parser.parse_args()
    # Private servers only: nobody's own is flooded, and a broker's time can be read.
    for name in [name for name in os.environ if name.startswith("NOCHAT_")]:
        del os.environ[name]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    began, found = time.monotonic(), []
    try:
        measured = rows(QUICK if options.quick else Size())
        print(*report.HEAD, sep="\n")
        while row := _next(measured):
            found.append(row)
            print(report.line(row), flush=True)
    except (Missing, NotReady, LoadError) as error:
        print(f"not measured further: {error}", file=sys.stderr)
        return 1
    report.write(found, options.json)
    print("", *report.NOTES, f"{time.monotonic() - began:.0f} s; {options.json}", sep="\n")
    return 0


def _next(rows: Iterator[Row]) -> Row | None:
    """Measure one more row; what the servers say meanwhile does not belong into the table."""
    with redirect_stdout(sys.stderr):
        return next(rows, None)


if __name__ == "__main__":
    sys.exit(main())
