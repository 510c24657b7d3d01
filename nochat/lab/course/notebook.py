"""The run of one notebook by papermill, with the place and the reason of a failure.

The kernel's current folder is temporary: a run leaves nothing in the checkout, and no notebook
can depend on files that happen to be beside it.
"""

import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from nochat.lab import surroundings
from nochat.lab.course.parameters import check
from nochat.lab.exercise import record
from nochat.local import doctor
from nochat.local.processes import when_gone

EXECUTED = Path("build/notebooks")
CELL_SECONDS = 600  # enough for the first installation of a machine, on a slow network

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    """The place where a notebook failed, and the error; `cell` counts all cells, from 1 on."""

    heading: str
    cell: int
    error: str
    line: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one notebook; `copy` is the executed copy, complete or up to the failure."""

    name: str
    outcome: Literal["passed", "failed", "unable"]
    copy: Path | None = None
    seconds: float = 0.0
    cells: int = 0
    failure: Failure | None = None
    reason: str = ""


def run(
    path: Path,
    out_dir: Path = EXECUTED,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout: int = CELL_SECONDS,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Execute one notebook.

    Args:
        path: the notebook.
        out_dir: folder of the executed copy: `NAME.ipynb`, or `NAME.failed.ipynb`.
        parameters: values for the cell tagged `parameters`.
        timeout: seconds that one cell may take.
        progress: gets a line of text at the start of each code cell.

    Raises:
        CourseError: the notebook has no such parameter, or one of another kind.
    """
    with quiet():
        check(path, parameters or {})
        if reason := missing(path):
            return Result(path.stem, "unable", reason=reason)
        return _execute(path, out_dir.resolve(), dict(parameters or {}), timeout, progress)


def needs(path: Path) -> list[str]:
    """List the programs that a notebook needs, according to its metadata."""
    return list(read(path).metadata.get("nochat", {}).get("needs", []))


def missing(path: Path) -> str:
    """Return a message about missing programs of a notebook; empty if it can run."""
    reasons = []
    for need in needs(path):
        try:
            doctor.require(need)
        except doctor.Missing as error:
            reasons.append(str(error))
    return "; ".join(reasons)


class _Run:
    """The progress of one execution: the running cell, and the start time."""

    def __init__(self, path: Path, progress: Callable[[str], None]) -> None:
        self.cells = read(path).cells
        self.progress = progress
        self.index = 0
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        self.index = _index_of(self.cells, cell, self.index)
        if cell.cell_type == "code":
            step = f"cell {self.index + 1:2} of {len(self.cells)}"
            self.progress(f"  {self.seconds:6.1f} s  {step}  {heading(self.cells, self.index)}")

    def failure(self, error: Exception) -> Failure:
        from papermill.exceptions import PapermillExecutionError

        where = heading(self.cells, self.index), self.index + 1
        if isinstance(error, PapermillExecutionError):
            message = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
            return Failure(*where, _plain(message), _last_line(error.traceback))
        return Failure(*where, _plain(f"{type(error).__name__}: {error}"))


def _execute(
    path: Path, out: Path, parameters: dict[str, Any], timeout: int, progress: Callable[[str], None]
) -> Result:
    import papermill
    from traitlets.config import Config

    out.mkdir(parents=True, exist_ok=True)
    partial, whole, failed = (
        out / f"{path.stem}{end}.ipynb" for end in (".partial", "", ".failed")
    )
    following = _Run(path, progress)
    failure = None
    with _own_folder() as folder:
        work = folder / "work"
        work.mkdir()
        try:
            papermill.execute_notebook(
                str(path.resolve()),
                str(partial),
                parameters,
                kernel_name="python3",
                progress_bar=False,
                execution_timeout=timeout,
                extra_arguments=["--log-level=CRITICAL"],
                on_cell_start=following.cell_starts,
                cwd=str(work),
                config=Config(KernelManager={"connection_file": str(folder / "kernel.json")}),
            )
        except Exception as error:
            failure = following.failure(error)
        except KeyboardInterrupt:
            _end_what_works_in(work)
            raise
    # Only a complete copy gets the notebook's name, so that no partial or older one is used for it.
    copy = failed if failure else whole
    for old in (whole, failed):
        old.unlink(missing_ok=True)
    partial.replace(copy)
    outcome: Literal["passed", "failed"] = "failed" if failure else "passed"
    count = following.index + 1 if failure else len(following.cells)
    return Result(path.stem, outcome, copy, following.seconds, count, failure)


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Create a folder that is removed with this process; meanwhile, `page.show` takes pictures."""
    folder = Path(tempfile.mkdtemp(prefix="nochat-course-"))
    before = dict(os.environ)
    with when_gone("", folder):
        # The kernel inherits them. Its attempts at exercises are not those of a student.
        attempts = {record.VARIABLE: str(folder / "exercises.jsonl")}
        os.environ.update({"NOCHAT_COURSE": "1", **attempts, **surroundings.of_jupyter(folder)})
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def _end_what_works_in(folder: Path) -> None:
    """End a kernel that was still starting at a Ctrl-C: papermill doesn't know of it yet."""
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if process.cwd() == str(folder):
                process.kill()
                process.wait(5)


def heading(cells: Sequence[Any], index: int) -> str:
    """Return the nearest heading at or above a cell."""
    for cell in reversed(cells[: index + 1]):
        if cell.cell_type != "markdown":
            continue
        if headings := _HEADING.findall(_FENCED.sub("", cell.source)):
            return str(headings[-1])
    return "before the first heading"


def _index_of(cells: Sequence[Any], cell: Any, last: int) -> int:
    """Return a cell's index in the source; a cell that papermill added gets the last index."""
    return next((i for i, one in enumerate(cells) if one.id == cell.id), last)


def read(path: Path) -> Any:
    """Return a notebook."""
    import nbformat

    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def _plain(text: str) -> str:
    return _ANSI.sub("", text).strip()


def _last_line(traceback: Sequence[str]) -> str:
    """Return the line of code at the end of a traceback."""
    lines = _plain("\n".join(traceback)).splitlines()
    arrows = [line.lstrip("-> ") for line in lines if re.match(r"-+> ?\d", line.strip())]
    return f"line {arrows[-1]}" if arrows else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings of papermill and Jupyter; put our programs on the kernel's path."""
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ["PATH"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
