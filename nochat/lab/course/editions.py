"""The student's and the teacher's edition of the notebooks, from one master each.

`python -m nochat.lab.course.editions student` writes `build/student`; `teacher`, the other one.
"""

import argparse
import copy
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nochat.lab.course import tags
from nochat.lab.course.execution import NOTEBOOKS, find
from nochat.lab.course.notebook import EXECUTED, heading, read
from nochat.lab.errors import CourseError
from nochat.lab.folders import find_root

BUILD = Path("build")
NOTES = Path("docs/instructors.md")
# An emptied solution keeps its place and its id: both editions have the same cells, so that a class
# can talk of them, and a student sees that there is a solution to ask for.
EMPTIED = "*Solution: after you tried.*"

_FOLDED = re.compile(
    r"<details>\s*<summary>\s*(?:A )?solution\b.*?</details>", re.IGNORECASE | re.DOTALL
)
_ROLE = re.compile(r"\{\w+\}(`[^`]*`)")  # of the site, such as {doc}`page`
LONGEST = 8  # headings in the table of timings


def student(master: Any) -> Any:
    """Return a notebook without solutions, hidden checks and notes for the teacher."""
    notebook = copy.deepcopy(master)
    out = {tags.HIDDEN, tags.TEACHER}
    notebook.cells = [_emptied(cell) for cell in notebook.cells if not tags.tags(cell) & out]
    return _validated(notebook)


def teacher(master: Any, executed: Any = None, notes: str = "") -> Any:
    """Return a notebook whose exercises are solved, with notes and timings at its beginning.

    Args:
        master: the master.
        executed: its last executed copy, for the timings; None if there is none.
        notes: Markdown for the teacher.

    Raises:
        CourseError: an exercise has no solution.
    """
    notebook = copy.deepcopy(master)
    # A hidden check needs the answer, which only `nochat grade` hands to it.
    notebook.cells = [_cleared(cell) for cell in notebook.cells if not _is_hidden(cell)]
    solutions = tags.by_key(notebook.cells, tags.SOLUTION)
    for key, cell in tags.by_key(notebook.cells, tags.EXERCISE).items():
        if key not in solutions:
            raise CourseError(f"exercise {key} has no cell tagged 'solution' and {key!r}")
        cell.source = tags.solution(solutions[key])
    notebook.cells[1:1] = list(_notes(notes, timings(executed) if executed else []))
    return _validated(notebook)


def timings(executed: Any) -> list[tuple[str, float]]:
    """Return the seconds under each heading of an executed copy, the longest first."""
    seconds: dict[str, float] = {}
    for index, cell in enumerate(executed.cells):
        took = cell.metadata.get("papermill", {}).get("duration") or 0.0
        title = heading(executed.cells, index)
        seconds[title] = seconds.get(title, 0.0) + took
    return sorted(seconds.items(), key=lambda row: -row[1])


def notes_on(stem: str, page: str) -> str:
    """Return the section of the page for instructors on a notebook; "" if it has none."""
    number = re.escape(stem[:2])
    section = re.search(rf"^## (?:Notebook )?{number}\b.*?(?=^## |\Z)", page, re.M | re.S)
    return _ROLE.sub(r"\1", section[0]).partition("\n")[2].strip() if section else ""


def write(edition: str, out_dir: Path, paths: Sequence[Path] = ()) -> list[Path]:
    """Write an edition of notebooks into a folder, and return their paths.

    Args:
        edition: `student` or `teacher`.
        out_dir: the folder.
        paths: the masters; all notebooks of the course if there are none.

    Raises:
        CourseError: a master can't become that edition; the message says which, and why.
    """
    import nbformat

    root = find_root()
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths or find([], root / NOTEBOOKS):
        try:
            notebook = EDITIONS[edition](path, root)
        except CourseError as error:
            raise CourseError(f"{path.name}: {error}") from error
        written.append(out_dir / path.name)
        nbformat.write(notebook, written[-1])  # type: ignore[no-untyped-call]
    return written


def _student(path: Path, root: Path) -> Any:
    return student(read(path))


def _teacher(path: Path, root: Path) -> Any:
    copy_, page = root / EXECUTED / path.name, root / NOTES
    executed = read(copy_) if copy_.exists() else None
    notes = notes_on(path.stem, page.read_text(encoding="utf-8")) if page.exists() else ""
    return teacher(read(path), executed, notes)


EDITIONS: dict[str, Callable[[Path, Path], Any]] = {"student": _student, "teacher": _teacher}


def _is_hidden(cell: Any) -> bool:
    return tags.HIDDEN in tags.tags(cell)


def _emptied(cell: Any) -> Any:
    if tags.SOLUTION in tags.tags(cell):
        cell.source = EMPTIED
    elif cell.cell_type == "markdown":
        cell.source = _FOLDED.sub(EMPTIED, cell.source)
    return _cleared(cell)


def _cleared(cell: Any) -> Any:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _notes(notes: str, seconds: Sequence[tuple[str, float]]) -> Iterator[Any]:
    if notes:
        yield _cell("teacher-notes", f"## For the teacher\n\n{notes}")
    if seconds:
        whole = sum(took for _, took in seconds)
        rows = "\n".join(f"| {title} | {took:.1f} |" for title, took in seconds[:LONGEST])
        said = f"The last run of all cells took {whole:.0f} s, most of it here:"
        table = f"| under | seconds |\n|---|---:|\n{rows}"
        yield _cell("teacher-timings", f"**Timings.** {said}\n\n{table}")


def _cell(name: str, source: str) -> Any:
    import nbformat

    cell = nbformat.v4.new_markdown_cell(source, id=name)  # type: ignore[no-untyped-call]
    cell.metadata["tags"] = [tags.TEACHER]
    return cell


def _validated(notebook: Any) -> Any:
    import nbformat

    nbformat.validate(notebook)
    return notebook


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 2 if a master can't become that edition."""
    parser = argparse.ArgumentParser(prog="python -m nochat.lab.course.editions")
    parser.add_argument("edition", choices=EDITIONS)
    parser.add_argument("names", nargs="*", help="notebooks, or how their names begin")
    parser.add_argument("--out", type=Path, help="folder; default: build/EDITION")
    options = parser.parse_args(arguments)
    try:
        paths = find(options.names, find_root() / NOTEBOOKS)
        for path in write(options.edition, options.out or BUILD / options.edition, paths):
            print(path)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
