"""The command that runs the course: `python -m nochat.lab.course`."""

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nochat
from nochat.lab import servers, surroundings
from nochat.lab.course import parameters
from nochat.lab.course.notebook import CELL_SECONDS, EXECUTED, Result, missing, needs, quiet, run
from nochat.lab.errors import CourseError, NotAnswering
from nochat.lab.folders import find_root
from nochat.local.tables import as_text

NOTEBOOKS = Path("notebooks")


def find(names: Sequence[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks with these names, paths or prefixes of names; all if none is given.

    Raises:
        CourseError: there is no such notebook.
    """
    everything = sorted(folder.glob("*.ipynb"))
    if not names:
        return everything
    return [_find_one(name, everything) for name in names]


def _find_one(name: str, everything: list[Path]) -> Path:
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name)
    fitting = [path for path in everything if path.stem.startswith(name)]
    if len(fitting) != 1:
        known = ", ".join(path.stem for path in everything)
        raise CourseError(f"{name!r} is not one notebook; there are: {known or 'none'}")
    return fitting[0]


def is_stale(path: Path, out_dir: Path) -> bool:
    """Return whether the executed copy is missing, or older than the notebook or the package."""
    copy = out_dir / path.name
    sources = [path, *Path(nochat.__file__).parent.rglob("*.py")]
    return not copy.exists() or copy.stat().st_mtime < max(f.stat().st_mtime for f in sources)


def is_good(result: Result) -> bool:
    """Return whether a result is a success; in CI, a notebook must also have run."""
    if result.outcome == "unable":
        return os.environ.get("NOCHAT_REQUIRE_ALL") != "1"
    return result.outcome == "passed"


def make_images() -> None:
    """Build the base images of machines and containers from Debian's packages, for all notebooks.

    Raises:
        Missing: Docker is not installed.
        NotAnswering: Docker's engine can't be used.
        CourseError: an image can't be built; the reason is printed.
    """
    servers.docker()  # a private engine keeps the images as long as this process runs
    if subprocess.run([find_root() / "tools" / "box", "docker", "python"], check=False).returncode:
        raise CourseError("The images can't be made. `make box` and `make base-image` do the same.")


def explain(result: Result) -> str:
    """Return a readable report on one notebook."""
    if result.outcome == "unable":
        return f"{result.name} can't run on this machine: {result.reason}"
    if not result.failure:
        return f"{result.name} passed in {result.seconds:.0f} s"
    failure = result.failure
    lines = [f"{result.name} FAILED", f"under:  {failure.heading}", f"cell:   {failure.cell}"]
    lines += [f"error:  {failure.error}".replace("\n", "\n        ")]
    lines += [f"at:     {failure.line}"] if failure.line else []
    return "\n    ".join([*lines, f"copy:   {result.copy}"])


def table(results: Sequence[Result]) -> str:
    """Return all results as a table, one per line."""
    rows = [
        (result.name, result.outcome, f"{result.seconds:7.1f}", f"{result.cells:5}")
        for result in results
    ]
    return as_text([("notebook", "result ", "seconds", "cells"), *rows])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m nochat.lab.course", description="Run the course."
    )
    parser.add_argument(
        "names", nargs="*", help="notebooks, or how their names begin; default: all"
    )
    parser.add_argument("--out", type=Path, default=EXECUTED, help="folder of the executed copies")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--timeout", type=int, default=CELL_SECONDS, help="seconds a cell may take")
    parser.add_argument("--stale", action="store_true", help="only notebooks that changed")
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> list[Result]:
    """Run the notebooks of the command line, and report on them."""
    texts = parameters.split(options.parameter)
    paths = find(options.names)
    with quiet():
        given = {path: parameters.read(path, texts) for path in paths}
    if options.stale:
        paths = [path for path in paths if is_stale(path, options.out)]
    if surroundings.is_offline() and any(
        "docker" in needs(notebook) and not missing(notebook) for notebook in paths
    ):
        make_images()
    results = []
    for number, path in enumerate(paths, 1):
        print(f"{path.stem} ({number} of {len(paths)})", flush=True)
        results.append(run(path, options.out, given[path], timeout=options.timeout, progress=say))
        say(explain(results[-1]))
    return results


def say(line: str) -> None:
    """Print a line, and flush it even if the output is not a terminal."""
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if a notebook failed, 2 if the command line was wrong."""
    # After a Ctrl-C, they would log the interrupted operations.
    for name in ("asyncio", "papermill"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        results = run_all(parse(arguments))
    except (CourseError, NotAnswering) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped; no kernel is left.", file=sys.stderr)
        return 130
    if results:
        print(f"\n{table(results)}")
    return 0 if all(map(is_good, results)) else 1
