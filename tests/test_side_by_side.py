"""The files that run together, or first, where tests run side by side."""

from tests.conftest import ROOT
from tests.side_by_side import BROKER, LONGEST, TOGETHER, rank, unit

SHORT = "tests/test_side_by_side.py"


def test_files_that_have_a_place_are_there():
    named = {*TOGETHER, *LONGEST} - {*TOGETHER.values()}
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_what_needs_the_same_is_one_unit_among_the_longest():
    assert {*TOGETHER.values()} < {*LONGEST}
    for file, together in TOGETHER.items():
        assert unit(file) == together
        assert rank(file) == LONGEST.index(together)


def test_files_that_share_a_broker_are_told():
    """Each of them alone would cost another worker a start of RabbitMQ."""
    sharing = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if "rabbitmq_server" in file.read_text() and file.name != "test_side_by_side.py"
    }
    assert sharing <= {file for file, together in TOGETHER.items() if together == BROKER}


def test_the_longest_begin_before_all_others():
    assert rank(LONGEST[0]) < rank(LONGEST[-1]) < rank(SHORT)
    assert unit(SHORT) == SHORT
