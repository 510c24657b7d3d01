"""The files that run together, or first, where tests run side by side."""

from tests.conftest import ROOT
from tests.side_by_side import LONGEST, TOGETHER, rank, unit

SHORT = "tests/test_side_by_side.py"


def test_files_that_have_a_place_are_there():
    named = {*TOGETHER, *LONGEST} - {*TOGETHER.values()}
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_what_needs_the_same_images_is_one_unit_among_the_longest():
    (images,) = {unit(file) for file in TOGETHER}
    assert images in LONGEST
    assert len({rank(file) for file in TOGETHER}) == 1


def test_the_longest_begin_before_all_others():
    assert rank(LONGEST[0]) < rank(LONGEST[-1]) < rank(SHORT)
    assert unit(SHORT) == SHORT
