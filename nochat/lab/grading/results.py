"""Results of submissions: JSON in Gradescope's form, JUnit XML, and a CSV file of the class."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

# No text of XML 1.0 may hold these.
_NO_TEXT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_NAME = re.compile(r"[^\w.@+-]")


@dataclass(frozen=True)
class Judged:
    """The result of one check of an exercise; `hidden` ones are not shown to students."""

    key: str
    name: str
    passed: bool
    output: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class Graded:
    """The result of one submission.

    Attributes:
        student: its author.
        notebook: the master's name, or the file's.
        tests: the results; none if it could not be graded.
        seconds: how long it took.
        problem: a sentence, if something was wrong with the whole of it.
        look: why a teacher should look at it.
    """

    student: str
    notebook: str
    tests: Sequence[Judged] = ()
    seconds: float = 0.0
    problem: str = ""
    look: Sequence[str] = field(default_factory=list)

    @property
    def score(self) -> int:
        """One for each check that passed."""
        return sum(test.passed for test in self.tests)


def gradescope(graded: Graded) -> dict[str, Any]:
    """Return a result as Gradescope's `results.json`."""
    return {
        "score": float(graded.score),
        "execution_time": round(graded.seconds),
        "output": graded.problem,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"look": list(graded.look)},
        "tests": [
            {
                "name": test.name,
                "number": test.key,
                "score": float(test.passed),
                "max_score": 1.0,
                "status": "passed" if test.passed else "failed",
                "output": test.output,
                "output_format": "text",
                "visibility": "hidden" if test.hidden else "visible",
            }
            for test in graded.tests
        ],
    }


def junit(results: Sequence[Graded]) -> bytes:
    """Return results as JUnit XML: a suite for each submission."""
    root = xml.Element("testsuites", name="nochat grade")
    for graded in results:
        failed = sum(not test.passed for test in graded.tests)
        suite = xml.SubElement(
            root,
            "testsuite",
            name=_text(f"{graded.student}/{graded.notebook}"),
            tests=str(len(graded.tests) or 1),
            failures=str(failed),
            errors=str(int(not graded.tests)),
            time=f"{graded.seconds:.1f}",
        )
        for test in graded.tests:
            case = xml.SubElement(
                suite, "testcase", classname=_text(graded.student), name=_text(test.name)
            )
            if not test.passed:
                xml.SubElement(case, "failure", message=_text(test.output))
        if not graded.tests:
            case = xml.SubElement(suite, "testcase", classname=_text(graded.student), name="file")
            xml.SubElement(case, "error", message=_text(graded.problem))
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True))


def write(results: Sequence[Graded], out: Path) -> None:
    """Write all results: `STUDENT/NOTEBOOK/results.json`, `junit.xml` and `grades.csv`."""
    for graded in results:
        folder = out / file_name(graded.student) / file_name(graded.notebook)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(gradescope(graded), indent=2, ensure_ascii=False)
        (folder / "results.json").write_text(f"{text}\n", encoding="utf-8", errors="replace")
    out.mkdir(parents=True, exist_ok=True)
    (out / "junit.xml").write_bytes(junit(results))
    with (out / "grades.csv").open("w", newline="", encoding="utf-8", errors="replace") as file:
        table = csv.writer(file)
        table.writerow(["student", "notebook", "score", "of", "seconds", "passed", "said", "look"])
        table.writerows(_row(graded) for graded in results)


def _row(graded: Graded) -> list[str]:
    passed = " ".join(test.name.partition(":")[0] for test in graded.tests if test.passed)
    said = [graded.problem, *(f"{test.key}: {test.output}" for test in graded.tests if test.output)]
    cells = [graded.student, graded.notebook, str(graded.score), str(len(graded.tests))]
    cells += [f"{graded.seconds:.1f}", passed, "; ".join(filter(None, said))]
    return [_harmless(cell) for cell in [*cells, "; ".join(graded.look)]]


def _harmless(cell: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def file_name(name: str) -> str:
    """Return a name for a folder, which names no other one."""
    return _NO_NAME.sub("_", name).lstrip(".")[:100] or "_"


def _text(text: str) -> str:
    return _NO_TEXT.sub("?", text)
