"""The pages that name tests (features, security, ASVS) name such as are there."""

import itertools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
PAGES = ["features.md", "security.md"]
REQUIREMENTS = 253  # of ASVS 5.0.0 at the levels 1 and 2
NAMED = re.compile(r"`([\w/.-]+\.(?:py|mjs))::([^`]+)`")


def named(page):
    return NAMED.findall((DOCS / page).read_text())


def rows(page):
    """The rows of the page's tables, without heads and rules."""
    lines = (DOCS / page).read_text().splitlines()
    return [line for above, line in itertools.pairwise(lines) if is_row(above, line)]


def is_row(above, line):
    return above.startswith("|") and line.startswith("|") and not line.startswith("|-")


def is_there(file, name):
    text = (TESTS / file).read_text()
    definition = f'test("{name}"' if file.endswith(".mjs") else f"def {name}("
    return definition in text


@pytest.mark.parametrize("page", [*PAGES, "asvs.md"])
def test_every_test_that_a_page_names_is_there(page):
    assert [one for one in named(page) if not is_there(*one)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_row_names_a_test(page):
    assert len(rows(page)) > 20
    assert [row for row in rows(page) if not NAMED.search(row)] == []


def test_each_requirement_of_asvs_has_its_test_or_its_reason():
    table = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows("asvs.md")]
    ids = [requirement for row in table for requirement in row[0].split(", ")]
    assert (len(ids), len(set(ids))) == (REQUIREMENTS, REQUIREMENTS)
    for row in table:
        number, _, state, why = row
        assert state in ("met", "in part", "not met", "not applicable"), number
        assert why, number
        assert state != "met" or NAMED.search(why), number


def test_every_attack_is_on_the_page():
    attacks = {f"attacks/{path.name}" for path in TESTS.glob("attacks/test_*.py")}
    assert attacks <= {file for file, _ in named("security.md")}
