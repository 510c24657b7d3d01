"""`python -m benchmarks [--quick] [--json FILE]`."""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Error as BrowserError

from benchmarks import cases, page, report
from benchmarks.files import BENCH
from benchmarks.load import LoadError
from benchmarks.measure import QUICK, Size
from benchmarks.page import PageRow
from benchmarks.row import Row
from nochat.errors import NochatError
from nochat.lab import servers
from nochat.runtime.descriptors import ENOUGH

R = TypeVar("R")


def main() -> int:
    """Measure, print and write the results; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures say little")
    parser.add_argument("--json", type=Path, default=BENCH, metavar="FILE")
    options = parser.parse_args()
    # Private servers only: they may be flooded, and the broker's processor time can be read.
    for name in [name for name in os.environ if name.startswith("NOCHAT_")]:
        del os.environ[name]
    _raise_files()

    began, size = time.monotonic(), QUICK if options.quick else Size()
    on, measured, seen, status = report.machine(size), list[Row](), list[PageRow](), 0
    try:
        with servers.rabbitmq(quiet=True) as broker:
            _table(report.HEAD, cases.rows(size, broker), report.line, measured)
            _table(report.PAGE_HEAD, page.rows(size, broker), report.page_line, seen)
    except (NochatError, LoadError, BrowserError) as error:
        print(f"not measured further: {error}", file=sys.stderr)
        status = 1
    report.write(on, measured, seen, options.json)
    notes = "", *report.NOTES, *report.PAGE_NOTES
    print(*notes, f"{time.monotonic() - began:.0f} s; {options.json}", sep="\n")
    return status


def _raise_files() -> None:
    """Raise the limit of open files for this process and its children as far as possible."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with suppress(ValueError, OSError):  # root may have more
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, ENOUGH), max(hard, ENOUGH)))


def _table(head: Iterable[str], rows: Iterator[R], line: Callable[[R], str], kept: list[R]) -> None:
    """Print and keep each row as soon as it is measured."""
    print(*head, sep="\n")
    while row := _next(rows):
        kept.append(row)
        print(line(row), flush=True)


def _next(rows: Iterator[R]) -> R | None:
    """Measure the next row, with the servers' output kept out of the table."""
    with redirect_stdout(sys.stderr):
        return next(rows, None)


if __name__ == "__main__":
    sys.exit(main())
