"""The proxy's settings, in the real HAProxy, with a stand-in for web and gateway behind it."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nochat.lab import checks
from nochat.lab.certificates import Authority
from nochat.local.processes import free_port

DOCKER = Path(__file__).parents[2] / "docker"
HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") or "haproxy"
MOST = 1000  # connections of one address


class Chat(BaseHTTPRequestHandler):
    """What the proxy sees of the chat."""

    def do_GET(self):
        self.send_response(400 if self.path == "/socket.io/" else 200)  # as its health check wants
        self.send_header("Set-Cookie", "nochat_session=x; HttpOnly")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def behind():
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def secrets(folder):
    """Where the program puts them, called in a folder of its own."""
    program = shutil.copy(DOCKER / "secrets", folder)
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    return Path(ran.stdout.strip())


def settings(folder, chat, plain=0, encrypted=0, moved=0):
    """The files as the container has them, but for where they listen, and who is behind."""
    read = folder / "etc"
    read.mkdir()
    shutil.copy(secrets(folder) / "cookie_key", read / "cookie-key.cfg")
    issued = Authority("ours").issue(folder / "tls", "127.0.0.1", ["127.0.0.1"])
    pem = issued.certificate.read_text() + issued.key.read_text()
    (folder / "server.pem").write_text(pem)
    for name, to in {"haproxy.cfg": "haproxy.cfg", "haproxy-tls.cfg": "tls.cfg"}.items():
        text = (DOCKER / name).read_text()
        for here, there in {
            "gateway 10 gateway:8001": f"gateway 1 127.0.0.1:{chat}",
            "web 3 web:8000": f"web 1 127.0.0.1:{chat}",
            " resolvers docker init-addr none": "",
            "bind :8000": f"bind 127.0.0.1:{plain}",
            "bind :8080": f"bind 127.0.0.1:{moved}",
            "bind :8443": f"bind 127.0.0.1:{encrypted}",
            "/run/secrets/tls_certificate": str(folder / "server.pem"),
        }.items():
            text = text.replace(here, there)
        (read / to).write_text(text)
    return read


@pytest.fixture
def proxy(tmp_path):
    """Runs it; gives the ports without and with TLS."""
    plain, encrypted, moved = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        chat = stack.enter_context(behind())
        read = settings(tmp_path, chat, plain, encrypted, moved)
        log = stack.enter_context((tmp_path / "log").open("w"))
        process = stack.enter_context(
            subprocess.Popen(
                [HAPROXY, "-f", read],
                env=os.environ | {"CHAT_PORT": "8000"},
                stdout=log,
                stderr=log,
            )
        )
        stack.callback(process.kill)
        yield plain, encrypted


def cookies(connection):
    """What an answer of a gateway sets, by name; nothing while none is found to be healthy."""
    try:
        connection.request("GET", "/socket.io/?EIO=4")
        answer = connection.getresponse()
    except OSError:
        return {}
    finally:
        connection.close()
    parsed = [header.split("; ") for header in answer.headers.get_all("Set-Cookie", [])]
    return {name.partition("=")[0]: set(attributes) for name, *attributes in parsed}


async def test_the_cookie_of_the_gateway_is_for_tls_alone_where_there_is_tls(proxy):
    plain, encrypted = proxy
    trusting = ssl._create_unverified_context()
    there = HTTPSConnection("127.0.0.1", encrypted, context=trusting, timeout=5)
    received = await checks.until(lambda: cookies(there))
    assert received["gateway_8000"] >= {"HttpOnly", "SameSite=Lax", "Secure"}
    assert "Secure" not in received["nochat_session"]  # that one is the chat's own to set
    here = await checks.until(lambda: cookies(HTTPConnection("127.0.0.1", plain, timeout=5)))
    assert here["gateway_8000"] >= {"HttpOnly", "SameSite=Lax"}
    assert "Secure" not in here["gateway_8000"]  # it would not come back, and long polling needs it


async def test_an_address_has_a_bounded_number_of_connections(proxy):
    plain, _ = proxy
    await checks.until(lambda: cookies(HTTPConnection("127.0.0.1", plain, timeout=5)))
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", plain)))
            for _ in range(MOST + 20)
        ]
        assert await checks.until(lambda: sum(map(is_closed, silent)) >= 20)
        assert sum(map(is_closed, silent)) < 100


def is_closed(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_each_installation_has_a_key_of_its_own(tmp_path):
    keys = set()
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        keys.add((settings(tmp_path / name, 1, 1, 2, 3) / "cookie-key.cfg").read_text())
    assert len(keys) == 2
    assert "dynamic-cookie-key nochat" not in (DOCKER / "haproxy.cfg").read_text()


def test_an_installation_of_before_gets_a_key_too(tmp_path):
    made = secrets(tmp_path)
    before = {path.name: path.read_text() for path in made.iterdir()}
    (made / "cookie_key").unlink()
    secrets(tmp_path)
    after = {path.name: path.read_text() for path in made.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"cookie_key"}


def test_without_a_key_it_does_not_start(tmp_path):
    read = settings(tmp_path, 1, 1, 2, 3)
    (read / "cookie-key.cfg").unlink()
    env = {name: value for name, value in os.environ.items() if name != "COOKIE_KEY"}
    ran = subprocess.run(
        [HAPROXY, "-c", "-f", read], env=env | {"CHAT_PORT": "1"}, capture_output=True, text=True
    )
    assert ran.returncode != 0
