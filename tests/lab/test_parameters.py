"""What a command line says of a parameter arrives as what the notebook says that it is."""

import nbformat
import pytest

from nochat.lab.course import execution, parameters
from nochat.lab.errors import CourseError

CELL = """
practice: bool = True
turns: int = 20  # of each person
seconds: float = 1.0
name: str = ""
rooms: list[int] = []
labels: dict = {}
anything = 1
"""


@pytest.fixture
def notebook(tmp_path):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "3", "language": "python"}}
    made.cells[0].metadata["tags"] = ["parameters"]
    path = tmp_path / "notebooks" / "07_tiny.ipynb"
    path.parent.mkdir()
    nbformat.write(made, path)
    return path


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("practice=False", False),
        ("practice=True", True),
        ("practice=false", False),
        ("turns=5", 5),
        ("turns=-1", -1),
        ("seconds=5", 5),
        ("seconds=0.5", 0.5),
        ("name=ana", "ana"),
        ("name=False", "False"),
        ("name=123", "123"),
        ("name=", ""),
        ("name=a=b", "a=b"),
        ("rooms=[1, 2]", [1, 2]),
        ('labels={"a": 1}', {"a": 1}),
        ("anything=False", False),
        ("anything=None", None),
        ("anything=7", 7),
        ("anything=7.5", 7.5),
        ("anything=no", "no"),
        ("anything=true", "true"),  # as papermill's own command line takes it
    ],
)
def test_a_text_becomes_what_the_notebook_expects(notebook, pair, expected):
    [value] = parameters.read(notebook, parameters.split([pair])).values()
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("practice=no", "07_tiny: practice is True or False, not 'no'"),
        ("practice=0", "practice is True or False, not '0'"),
        ("practice=", "practice is True or False, not ''"),
        ("practice=None", "practice is True or False, not 'None'"),
        ("practice", "--parameter practice has no value: write practice=VALUE"),
        ("turns=True", "turns is a whole number, not 'True'"),
        ("turns=2.5", "turns is a whole number, not '2.5'"),
        ("turns=many", "turns is a whole number, not 'many'"),
        ("seconds=inf", "seconds is a number, not 'inf'"),
        ("rooms=1", "rooms is a list, such as [1, 2], not '1'"),
        ("labels=[]", "labels is an object"),
        ("practise=False", "no parameter practise; it has: practice, turns"),
        ("=x", "no parameter"),
    ],
)
def test_another_value_is_refused_with_what_is_expected(notebook, monkeypatch, capsys, pair, said):
    monkeypatch.chdir(notebook.parent.parent)
    assert execution.main(["07", "--parameter", pair]) == 2
    assert said in capsys.readouterr().err
    assert not (notebook.parent.parent / "build").exists()


def test_values_are_checked_too_where_python_gives_them(notebook, tmp_path):
    with pytest.raises(CourseError, match="practice is True or False, not 'False'"):
        execution.run(notebook, tmp_path / "out", {"practice": "False"})
    parameters.check(notebook, {"practice": False, "seconds": 1, "rooms": (1, 2)})
