"""The small programs beside the Dockerfile."""

import json
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from nochat.local.processes import free_port
from tests.conftest import ROOT

DOCKER = ROOT / "docker"


def run(program: Path, *arguments: object, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, program, *map(str, arguments)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def secrets(tmp_path) -> Path:
    """The program in a folder of its own, where it makes new passwords."""
    return Path(shutil.copy(DOCKER / "secrets", tmp_path))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_secrets_are_made_once_for_their_owner_alone(secrets):
    folder = Path(run(secrets).stdout.strip())
    made = contents(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Containers read them, each with a user of its own.
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    [account] = json.loads(made["rabbitmq_definitions"])["users"]
    assert made["bus_url"] == f"amqp://nochat:{account['password']}@rabbitmq/nochat"
    assert Path(run(secrets).stdout.strip()) == folder
    assert contents(folder) == made


def test_secrets_made_at_the_same_time_are_the_same(secrets):
    with ThreadPoolExecutor() as pool:
        said = {ran.stdout for ran in pool.map(lambda _: run(secrets), range(4))}
    assert said == {f"{secrets.parent / '.secrets'}\n"}
    assert [path.name for path in secrets.parent.glob(".secrets*")] == [".secrets"]


def test_every_secret_of_compose_is_made(secrets):
    made = contents(Path(run(secrets).stdout.strip()))
    wanted = {
        line.rpartition("/")[2].rstrip("}\n")
        for name in ("compose.yaml", "compose.offline.yaml")
        for line in (DOCKER / name).read_text().splitlines()
        if "file: .secrets/" in line
    }
    assert wanted == set(made)


def test_settled_folders_are_the_same_whenever_they_were_made(tmp_path):
    packed = []
    for name, when in (("one", 1_000_000_000), ("two", 1_500_000_000)):
        package = tmp_path / name / "opt" / "package"
        package.mkdir(parents=True)
        (package / "module.py").write_text("ANSWER = 42\n")
        os.utime(package / "module.py", (when, when))
        assert run(DOCKER / "settle", tmp_path / name).returncode == 0
        tar = ["tar", "--create", "--sort=name", "--directory", tmp_path / name, "."]
        packed.append(subprocess.run(tar, capture_output=True, check=True).stdout)
    assert b".pyc" in packed[0]
    assert packed[0] == packed[1]
    assert str(tmp_path).encode() not in packed[0]


@pytest.mark.parametrize(
    ("plugin", "said"), [("0", "docker compose ps --all"), ("1", "docker-compose ps --all")]
)
def test_a_machine_uses_docker_s_own_compose_or_its_predecessor(tmp_path, plugin, said):
    programs, folder = tmp_path / "bin", tmp_path / "stack"
    programs.mkdir()
    folder.mkdir()
    for name in ("docker", "docker-compose"):
        version = f'[ "$2" != version ] || exit {plugin}\n'
        (programs / name).write_text(f'#!/bin/sh\n{version}echo "{name} $*"; pwd\n')
        (programs / name).chmod(0o755)
    program = shutil.copy(ROOT / "playbooks" / "roles" / "stack" / "files" / "compose", folder)
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", program, "ps", "--all"], env=env, capture_output=True, text=True, timeout=30
    )
    assert ran.stdout.splitlines() == [said, str(folder)]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_is_what_readyz_says(status, code):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"said of {self.path}".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ran = run(DOCKER / "healthy", NOCHAT_OPERATION_PORT=str(server.server_port))
        server.shutdown()
    assert ran.returncode == code
    assert ran.stdout.strip() == "said of /readyz"


def test_nobody_there_is_not_healthy():
    ran = run(DOCKER / "healthy", NOCHAT_OPERATION_PORT=str(free_port()))
    assert ran.returncode == 1
    assert "Connection refused" in ran.stderr
