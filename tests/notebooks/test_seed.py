"""The guide of 2017 that the course began with: each of its commands has a successor."""

import re
from dataclasses import dataclass

import nbformat
import pytest

from tests.conftest import ROOT
from tests.test_features import is_there

PAGE = (ROOT / "docs" / "2017.md").read_text()
COMMANDS = (ROOT / "tests" / "notebooks" / "seed_commands.txt").read_text().splitlines()
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
PIPE = re.compile(r"(?<!\\)\|")
NOTEBOOK = re.compile(r"(\d\d), “(.+)”")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A row of the page: commands of 2017, and what is said of them."""

    commands: list[str]
    today: str
    where: str
    test: str

    def __str__(self):
        return self.commands[0][:40]


def rows():
    for line in PAGE.partition("## What became of it")[0].splitlines():
        if line.startswith("| `"):
            cells = [cell.strip().replace("\\|", "|") for cell in PIPE.split(line)[1:-1]]
            then, today, where, test = cells
            yield Row(spans(then), spans(today)[0], where, test)


def spans(text):
    """The texts between backticks."""
    return [span for _, span in SPAN.findall(text)]


ROWS = list(rows())
of_each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def test_every_command_of_2017_has_a_row_and_every_row_is_of_2017():
    assert len(COMMANDS) == len({*COMMANDS}) > 50
    assert sorted(command for row in ROWS for command in row.commands) == sorted(COMMANDS)


@of_each_row
def test_today_s_command_is_where_the_row_says(row):
    words = [word for word in re.split(r"[\s…]+", row.today) if word]
    assert words
    assert [text for text in texts(row.where) if all(word in text for word in words)], words


def texts(where):
    """The cells under a heading of a notebook, or a page."""
    if found := NOTEBOOK.fullmatch(where):
        return under(*found.groups())
    [name] = re.findall(r"\]\((\w+\.md)\)", where)
    return [(ROOT / "docs" / name).read_text()]


def under(number, heading):
    [path] = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    latest, cells = "", []
    for cell in nbformat.read(path, as_version=4).cells:
        for part in re.split(r"^(?=#+ )", cell.source, flags=re.MULTILINE):
            if cell.cell_type == "markdown" and (found := HEADING.match(part)):
                latest = found[1]
            if latest == heading:
                cells.append(part)
    assert cells, f"{path.name} has no heading {heading}"
    return cells


@of_each_row
def test_the_test_of_a_row_is_there(row):
    [(file, name)] = TEST.findall(row.test)
    assert is_there(file, name)
