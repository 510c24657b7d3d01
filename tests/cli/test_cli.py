"""The command `nochat`: what it prints, and how it ends."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from nochat.cli import main
from nochat.runtime import registry
from nochat.settings import Settings

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}


@pytest.fixture
def nochat(monkeypatch, capsys, tmp_path):
    """Runs the command to its end, in this process: (exit status, standard output, error)."""

    def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        for name, value in ({"data_dir": str(tmp_path), "port": "0"} | settings).items():
            monkeypatch.setenv(f"NOCHAT_{name.upper()}", value)
        status = main(arguments)
        logging.getLogger().handlers.clear()
        return status, *capsys.readouterr()

    return run


@contextmanager
def running(folder: Path, *arguments: str, **settings: str):
    """Run the command until the block ends; gives the process and its first line."""
    settings = {"data_dir": str(folder), "port": "0"} | settings
    env = CLEAN | {f"NOCHAT_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "nochat", *arguments]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def hearing(handler):
    """What a closed terminal does to a program is inherited from whoever starts it."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "stop",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),  # its terminal was closed
    ],
)
def test_up_serves_the_page_until_it_is_told_to_stop(tmp_path, stop):
    with hearing(signal.SIG_DFL), running(tmp_path, "up") as (process, line):
        names, url = line.split(": ")
        assert names == ", ".join(registry.names(Settings()))
        with urllib.request.urlopen(url) as page:
            assert b"<title>" in page.read()
        process.send_signal(stop)
        assert process.wait(timeout=40) == 0


@pytest.mark.slow
def test_up_goes_on_without_its_terminal_where_nohup_started_it(tmp_path):
    with hearing(signal.SIG_IGN), running(tmp_path, "up") as (process, line):  # as by `nohup`
        process.send_signal(signal.SIGHUP)
        with urllib.request.urlopen(line.split(": ")[1]) as page:
            assert page.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0


@pytest.mark.slow
def test_stored_messages_survive_a_restart(tmp_path):
    account = json.dumps({"user": "ana", "password": "a good password"}).encode()
    headers = {"Content-Type": "application/json"}
    for path in ("register", "login"):
        with running(tmp_path, "up") as (process, line):
            url = f"{line.split(': ')[1]}/api/{path}"
            with urllib.request.urlopen(urllib.request.Request(url, account, headers)) as said:
                assert json.load(said) == {"user": "ana"}
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


def test_a_port_in_use_is_said_with_what_to_do(nochat):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, said = nochat("up", port=port)
    assert status == 2
    assert f"can't listen on 127.0.0.1:{port} (Address already in use)" in said
    assert "NOCHAT_PORT" in said


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [
        (["up"], {"bus_url": "redis://localhost"}, "use memory:// or amqp://"),
        (["up"], {"bus_ulr": "x"}, "did you mean NOCHAT_BUS_URL"),
        (["up"], {"port": "many"}, "NOCHAT_PORT=many can't be used"),
        (["up"], {"users_url": "nonsense"}, "NOCHAT_USERS_URL can't be used"),
        (["up"], {"activity_url": "nonsense"}, "NOCHAT_ACTIVITY_URL can't be used"),
        (["run", "gateway"], {}, "set NOCHAT_BUS_URL=amqp://"),
        (["run", "nobody"], {}, "there is no service 'nobody'"),
        (["run", "nobody.py"], {}, "there is no file nobody.py"),
    ],
)
def test_wrong_arguments_and_settings_give_one_line(nochat, arguments, settings, expected):
    status, _, said = nochat(*arguments, **settings)
    assert status == 2
    assert expected in said


# What Python runs at its start, where it is in PYTHONPATH: the embedded server is not installed.
WITHOUT_THE_SERVER = """
import sys
from importlib.machinery import PathFinder


class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, *given):
        return None if name == "nx_27017" else super().find_spec(name, *given)


sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("sitecustomize.py", WITHOUT_THE_SERVER, "mongod is not on this machine; it stores the"),
        ("nx_27017.py", "", "the embedded MongoDB server ended before it was ready"),
    ],
    ids=["not installed", "does not start"],
)
def test_a_missing_or_failing_component_is_told_in_a_sentence(tmp_path, file, content, expected):
    (tmp_path / file).write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "nochat", "up"],
        env=CLEAN | {"PYTHONPATH": str(tmp_path), "NOCHAT_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("nochat: ")]
    assert len(said) == 1
    assert expected in said[0]
    assert "Traceback" not in done.stderr


def test_a_broker_that_is_not_there_is_waited_for_then_said(nochat, unused_tcp_port):
    url = f"amqp://nochat:hunter2@127.0.0.1:{unused_tcp_port}/nochat"
    status, _, said = nochat("up", bus_url=url, patience="0.3")
    assert status == 2
    assert "does not answer" in said
    assert "nochat doctor" in said
    assert "hunter2" not in said


def test_a_data_folder_that_can_not_be_written_is_said(nochat, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    status, _, said = nochat("up", data_dir=str(tmp_path / "file"))
    assert status == 2
    assert "NOCHAT_DATA_DIR" in said


@pytest.mark.slow
def test_the_doctor_answers(nochat):
    status, said, _ = nochat("doctor")
    assert status == 0
    assert "rabbitmq-server" in said


def test_asyncapi_is_json(nochat):
    _, said, _ = nochat("asyncapi")
    assert json.loads(said)["info"]["title"] == "NoChat"
