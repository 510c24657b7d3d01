"""The style of the notebooks: short cells, more words than code, advice for each condition.

`pytest -s tests/notebooks/test_style.py` prints the table.
"""

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

MEDIAN, NINE_OF_TEN = 2, 9  # lines of a code cell
WORDS = 10  # of prose, for each line of code
IN_A_ROW = 2  # code cells without a word between them
COLUMNS = 80
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
TAG = re.compile(r"</?(?:details|summary)>")
HEAD = ("cells", "code", "lines", "median", "90th", "words/line", "in a row", "widest")
HEAD += ("exercises", "conditions", "with advice")


@dataclass(frozen=True)
class Style:
    """The measures of a notebook."""

    path: Path

    @cached_property
    def cells(self) -> list[nbformat.NotebookNode]:
        return list(nbformat.read(self.path, as_version=4).cells)

    @cached_property
    def code(self) -> list[str]:
        return [cell.source for cell in self.cells if cell.cell_type == "code"]

    @cached_property
    def lengths(self) -> list[int]:
        return [sum(bool(line.strip()) for line in cell.splitlines()) for cell in self.code]

    @property
    def median(self) -> float:
        return statistics.median(self.lengths)

    @property
    def nine_of_ten(self) -> float:
        return statistics.quantiles(self.lengths, n=10, method="inclusive")[-1]

    @property
    def words_for_a_line(self) -> float:
        prose = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        words = sum(len(TAG.sub(" ", FENCE.sub("", text)).split()) for text in prose)
        return words / sum(self.lengths)

    @property
    def in_a_row(self) -> int:
        kinds = groupby(self.cells, key=lambda cell: cell.cell_type)
        return max(len(list(cells)) for kind, cells in kinds if kind == "code")

    @property
    def widest(self) -> int:
        return max(len(line) for cell in self.code for line in cell.splitlines())

    @property
    def exercises(self) -> int:
        return sum("exercise" in cell.metadata.get("tags", []) for cell in self.cells)

    @cached_property
    def conditions(self) -> list[tuple[str, str]]:
        """The name of each condition, and the source of its advice."""
        calls = (call for cell in self.code for call in calls_of(cell))
        return [
            (ast.unparse(call.args[0]), advice_of(call))
            for call in calls
            if ast.unparse(call.func) == "checks.that"
        ]

    @property
    def without_advice(self) -> list[str]:
        """The conditions without advice of their own."""
        often = Counter(advice for _, advice in self.conditions)
        return [what for what, advice in self.conditions if not advice or often[advice] > 1]

    def row(self) -> tuple[str, ...]:
        conditions = len(self.conditions)
        return (
            *map(str, (len(self.cells), len(self.code), sum(self.lengths))),
            *(f"{self.median:g}", f"{self.nine_of_ten:g}", f"{self.words_for_a_line:.1f}"),
            *map(str, (self.in_a_row, self.widest, self.exercises, conditions)),
            str(conditions - len(self.without_advice)),
        )


def calls_of(cell: str) -> Iterator[ast.Call]:
    if not cell.startswith("%%"):
        tree = ast.parse(TransformerManager().transform_cell(cell))
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def advice_of(call: ast.Call) -> str:
    """The source of a condition's advice: its keyword, or its fourth argument."""
    given = [key.value for key in call.keywords if key.arg == "otherwise"] + call.args[3:]
    return ast.unparse(given[0]) if given else ""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def style(request) -> Style:
    return Style(request.param)


def test_the_table():
    rows = [("notebook", *HEAD)] + [(path.stem, *Style(path).row()) for path in NOTEBOOKS]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
    assert len(rows) == len(NOTEBOOKS) + 1 > 8


def test_code_cells_are_short(style):
    assert style.median <= MEDIAN
    assert style.nine_of_ten <= NINE_OF_TEN


def test_there_is_more_to_read_than_to_run(style):
    assert style.words_for_a_line >= WORDS
    assert style.in_a_row <= IN_A_ROW


def test_no_line_of_code_is_cut_off_by_the_theme(style):
    assert style.widest <= COLUMNS


def test_every_condition_has_advice_of_its_own(style):
    assert style.without_advice == []
