"""The error of a cell that was run too early says which cell comes first."""

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nochat.lab import hints

CELLS = [
    new_markdown_cell("# Title\n\n## Two people\n\nThey talk."),
    new_code_cell("%matplotlib inline\nfrom a.b import c as d\nimport e.f"),
    new_code_cell("%%file x.py\nhidden = 1"),
    new_code_cell("1 +"),
    new_code_cell("x = await come('x')\nana, bob = await two()\ndef talk():\n    inner = 1"),
    new_code_cell("async with f() as (g, h):\n    for i in g:\n        found = i"),
]


@pytest.fixture
def path(tmp_path):
    nbformat.write(new_notebook(cells=CELLS), tmp_path / "a.ipynb")
    return tmp_path / "a.ipynb"


def test_the_hint_names_the_heading_and_the_line(path):
    assert hints.hint("bob", path) == (
        "`bob` is made in the cell under “Two people” that has the line\n"
        f"    ana, bob = await two()\n{hints.IN_ORDER}"
    )


@pytest.mark.parametrize("name", ["d", "e", "x", "talk", "h", "i", "found"])
def test_every_statement_that_binds_a_name_counts(path, name):
    assert f"`{name}` is made in the cell" in hints.hint(name, path)


@pytest.mark.parametrize("name", ["hidden", "inner", "c", "nothing"])
def test_a_name_that_no_cell_makes_may_be_a_word_without_quotes(path, name):
    assert hints.hint(name, path).endswith(f'write it in quotes: "{name}".')


@pytest.mark.parametrize("notebook", [None, "gone.ipynb"])
def test_where_the_notebook_is_not_known_the_order_is_the_hint(tmp_path, notebook):
    assert hints.hint("bob", notebook and tmp_path / notebook) == hints.IN_ORDER


def test_in_a_notebook_the_error_carries_it(path, monkeypatch, capsys):
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    shell = InteractiveShell.instance()
    try:
        hints.on()
        result = shell.run_cell("bob.says('hello')")
        shell.run_cell("1 / 0")
    finally:
        InteractiveShell.clear_instance()
    assert "ana, bob = await two()" in str(result.error_in_exec)
    assert "ana, bob = await two()" in capsys.readouterr().out


def test_outside_of_a_notebook_it_does_nothing():
    hints.on()
