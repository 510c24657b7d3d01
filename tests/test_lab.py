"""`make lab`, as a student types it."""

import ast
import json
import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import psutil
import pytest
from websockets.sync.client import connect

from nochat.local.processes import until

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


# What people have in their shells and homes, for other notebooks and other programs.
SERVER = {
    "ServerApp": {
        "base_url": "/theirs/",
        "certfile": "/gone/cert.pem",
        "keyfile": "/gone/key.pem",
        "custom_display_url": "http://elsewhere/",
    },
    "IdentityProvider": {"token": "theirs"},
    "PasswordIdentityProvider": {"hashed_password": "argon2:x", "password_required": True},
}
SHELL = {
    "LC_ALL": "es_ES.UTF-8",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5h://127.0.0.1:9",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "no number",
    "PYTHONUTF8": "0",
    "MPLBACKEND": "none",
    "VAGRANT_CWD": "/another/project",
}
# In a kernel of the course: what its programs, files and plots depend on.
ASK = """
import os, sys, urllib.request, nochat.lab
print([sys.flags.utf8_mode, sys.stdout.encoding, os.environ["LC_ALL"], "spoiled" in globals(),
    os.environ.get("VAGRANT_CWD"), "127.0.0.1" in os.environ["no_proxy"], sys.prefix])
"""


@pytest.fixture
def home(tmp_path):
    """A home with settings of another Jupyter, another kernel of this name, and startup files."""
    (tmp_path / ".jupyter").mkdir()
    (tmp_path / ".jupyter/jupyter_server_config.json").write_text(json.dumps(SERVER))
    (tmp_path / ".jupyter/jupyter_server_config.py").write_text("c.ServerApp.port = 1\n")
    for folder in (tmp_path / "theirs", tmp_path / ".local/share/jupyter"):
        kernel = folder / "kernels/python3/kernel.json"
        kernel.parent.mkdir(parents=True)
        kernel.write_text(
            json.dumps({"argv": ["false"], "display_name": "Another", "language": "python"})
        )
    startup = tmp_path / ".ipython/profile_default/startup/00.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("spoiled = True\n")
    return tmp_path


@pytest.fixture
def lab(home):
    env = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    env |= {**SHELL, "HOME": str(home), "JUPYTER_PATH": str(home / "theirs")}
    env |= {"JUPYTER_RUNTIME_DIR": "/proc/1/none"}
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


def ask_a_kernel(address: str) -> str:
    """What a new kernel of the course answers, started and asked as the page does it."""
    where, _, token = address.partition("/lab/tree/00_start_here.ipynb?token=")
    authorized = {"Authorization": f"token {token}"}
    order = urllib.request.Request(
        f"{where}/api/kernels", data=b"{}", headers=authorized, method="POST"
    )
    with urllib.request.urlopen(order) as answer:
        kernel = json.load(answer)["id"]
    message = {
        "header": {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": ""},
        "parent_header": {},
        "metadata": {},
        "content": {"code": ASK, "silent": False},
        "channel": "shell",
    }
    channels = f"{where.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
    with connect(channels, additional_headers=authorized, proxy=None, open_timeout=60) as socket:
        socket.send(json.dumps(message))
        while True:
            heard = json.loads(socket.recv(timeout=60))
            if heard["msg_type"] in ("stream", "error"):
                return heard["content"].get("text") or str(heard["content"])


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
    told = [1, "UTF-8", "C.UTF-8", False, None, True, str(ROOT / ".venv")]
    assert ast.literal_eval(ask_a_kernel(address)) == told
    processes = psutil.Process(lab.pid).children(recursive=True)
    os.killpg(lab.pid, signal.SIGINT)
    rest = lab.stdout.read()
    lab.wait(timeout=20)
    assert "The course is closed" in rest
    assert "Traceback" not in rest
    assert until(lambda: not any(process.is_running() for process in processes), 5)
