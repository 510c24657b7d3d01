"""`kill -9` of a notebook's kernel in the middle: nothing of ours is left 5 seconds later."""

import os
import signal
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PRIVATE_SERVERS = [
    "from nochat.lab import servers",
    "rabbitmq = servers.rabbitmq()",
    "mariadb = servers.mariadb()",
    "mongodb = servers.mongodb()",
]
PICTURE = [
    "import os, time",
    "os.environ['NOCHAT_COURSE'] = '1'",
    "from nochat.lab import page",
    "browser = await page.browser().__aenter__()",
]


def cells_of(name, until):
    """The code of a notebook, up to the cell of this id."""
    codes = []
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            codes.append(cell.source)
        if cell.id == until:
            return codes
    raise AssertionError(f"{name} has no cell {until}")


@pytest.fixture
def temporary(monkeypatch):
    """A folder with a short name: Chromium's socket is in it, and a socket's path is limited."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def kernel(started, temporary):
    manager, client = start_new_kernel(extra_arguments=["--log-level=CRITICAL"])
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(client, code):
    answer = client.execute_interactive(code, timeout=60, output_hook=lambda message: None)
    assert answer["content"]["status"] == "ok", answer["content"]["evalue"]


@pytest.mark.parametrize(
    ("codes", "at_least"),
    [
        pytest.param(lambda: cells_of("00_start_here", "talk"), 2, id="00 with its chat"),
        pytest.param(lambda: cells_of("01_socket_chat", "second-say"), 4, id="01 with two servers"),
        pytest.param(lambda: cells_of("01_socket_chat", "kill"), 1, id="01 after its kill"),
        pytest.param(lambda: PRIVATE_SERVERS, 6, id="private servers"),
        pytest.param(lambda: PICTURE, 3, id="a browser for a picture"),
    ],
)
def test_nothing_is_left(codes, at_least, kernel, started, left, temporary):
    _, client = kernel
    for code in codes():
        execute(client, code)
    [running] = [
        process for process in started() if "ipykernel_launcher" in " ".join(process.cmdline())
    ]
    others = [process for process in started() if process != running]
    assert len(others) >= at_least

    os.kill(running.pid, signal.SIGKILL)
    assert left() == []
    assert [path.name for path in temporary.iterdir() if path.name.startswith("nochat-")] == []
