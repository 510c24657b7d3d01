"""A student runs cells twice: each works again, or says what to run."""

from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Errors whose message is made for students.
CLEAR = {"NotConnected", "NotReady", "CheckFailed", "GaveUp"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    manager, client = start_new_kernel(extra_arguments=["--log-level=CRITICAL"])
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(client, code):
    """What went wrong: the error's name and text; nothing if all is well."""
    answer = client.execute_interactive(code, timeout=60, output_hook=lambda message: None)
    content = answer["content"]
    return "" if content["status"] == "ok" else f"{content['ename']}: {content['evalue']}"


def codes_of(name):
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    return [(cell.id, cell.source) for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", ["00_start_here", "01_socket_chat"])
def test_every_cell_twice(name, kernel, tmp_path):
    for id_, code in codes_of(name):
        assert (id_, execute(kernel, code)) == (id_, "")
        again = execute(kernel, code)
        assert (id_, again.partition(":")[0]) in {(id_, clear) for clear in {"", *CLEAR}}, again
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("nochat-")] == []


@pytest.mark.parametrize("name", ["00_start_here", "01_socket_chat"])
def test_from_the_end_to_the_start(name, kernel, monkeypatch):
    codes = codes_of(name)
    setup = next(code for id_, code in codes if id_ == "setup")
    assert execute(kernel, setup) == ""
    for id_, code in reversed(codes):
        error = execute(kernel, code)
        clear = not error or error.partition(":")[0] in CLEAR or "Run the cells above" in error
        assert clear, (id_, error)
