"""`make lab`, as a student types it."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def lab():
    env = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    process = subprocess.Popen(
        ["make", "lab"],
        cwd=ROOT,
        env=env | {"SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def test_it_says_where_it_is_and_ctrl_c_leaves_nothing(lab):
    said = ""
    while "Ctrl-C here stops it." not in said:
        line = lab.stdout.readline()
        assert line, f"it ended before it was open:\n{said}"
        said += line
    [address] = re.findall(
        r"http://127\.0\.0\.1:\d+/lab/tree/00_start_here\.ipynb\?token=\w+", said
    )
    assert "ssh -N -L" in said, "over SSH it says how to reach it"
    with urllib.request.urlopen(address) as page:
        assert page.status == 200
    processes = psutil.Process(lab.pid).children(recursive=True)
    os.killpg(lab.pid, signal.SIGINT)
    rest = lab.stdout.read()
    lab.wait(timeout=20)
    assert "The course is closed" in rest
    assert "Traceback" not in rest
    until = time.monotonic() + 5
    while any(process.is_running() for process in processes) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [process for process in processes if process.is_running()]
