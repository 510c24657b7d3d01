"""The official socket.io client, from npm, against the chat."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
BIN = Path(sys.executable).parent
TRANSPORTS = ["websocket", "polling", "polling,websocket"]


def node(*arguments: str) -> str:
    """What a Node script prints."""
    program = shutil.which("node", path=BIN) or "node"
    command = [program, *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "transports",
    [TRANSPORTS[0], *(pytest.param(it, marks=pytest.mark.slow) for it in TRANSPORTS[1:])],
)
def test_two_users_of_the_official_client(chat, transports):
    assert node(str(HERE / "node_client.mjs"), chat.url, transports) == "ok\n"


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("transports", TRANSPORTS)
def test_two_users_of_the_official_client_through_rabbitmq(real_chat, transports):
    assert node(str(HERE / "node_client.mjs"), real_chat.url, transports) == "ok\n"


@pytest.mark.parametrize("part", ["model", "markdown", "places", "words", "management", "text"])
def test_the_parts_that_need_no_browser(part):
    """Pure state: what arrives twice, out of order or with holes; and the languages."""
    node("--test", str(HERE / f"{part}.test.mjs"))
