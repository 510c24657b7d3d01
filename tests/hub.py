"""A stand-in for Docker Hub: Debian's docker-registry, which one private engine takes for it.

It answers where that engine looks for Docker Hub, asks for tokens as Docker Hub does, and gives
them by its rules: whoever comes may fetch what is in `library/`, an account what is its own.
"""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from nochat.lab import servers
from nochat.lab.certificates import Authority, Issued
from nochat.lab.servers import Server
from nochat.lab.waiting import until
from nochat.local import doctor
from nochat.local.processes import start_child
from tests.conftest import AUTHORITIES

REGISTRY, TOKENS, SERVICE = "registry-1.docker.io", "auth.docker.io", "registry.docker.io"
OWNER = "docker"  # of library/
# Addresses of this computer that nobody else listens on: Docker Hub is at port 443.
ADDRESSES = {REGISTRY: "127.7.7.1", TOKENS: "127.7.7.2"}


@dataclass
class Hub:
    """Docker Hub, as an engine sees it.

    Attributes:
        engine: the one that takes it for that.
        accounts: passwords, by name.
        granted: who was given what, in the order of asking.
    """

    engine: Server
    accounts: dict[str, str] = field(default_factory=lambda: {OWNER: "of-docker", "lia": "a-token"})
    granted: list[tuple[str, str]] = field(default_factory=list)

    def url(self, user: str) -> str:
        """For NOCHAT_REGISTRY_URL."""
        return f"https://{user}:{self.accounts[user]}@docker.io"


@contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    """An engine of its own, and Docker Hub behind it."""
    issued = Authority("a stand-in").issue(folder / "tls", REGISTRY, [REGISTRY, TOKENS])
    trusted = folder / "trusted.pem"
    usual = AUTHORITIES.read_text() if AUTHORITIES.exists() else ""
    trusted.write_text(usual + issued.authority.read_text())
    names = folder / "hosts"
    named = "".join(f"{address} {name}\n" for name, address in ADDRESSES.items())
    names.write_text(Path("/etc/hosts").read_text() + named)
    with ExitStack() as stack:
        engine = stack.enter_context(_engine(trusted, names))
        made = Hub(engine)
        stack.enter_context(_tokens(made, issued))
        stack.enter_context(_registry(folder, issued))
        # For some seconds, an engine remembers what it has read of names.
        until(_is_found, 30, "the stand-in, where the engine looks for Docker Hub", pause=0.5)
        yield made


@contextmanager
def _engine(trusted: Path, names: Path) -> Iterator[Server]:
    """One that trusts whom the file says, and finds hosts by another than /etc/hosts."""
    was = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "NO_PROXY", "no_proxy")}
    direct = ",".join(filter(None, [was["NO_PROXY"] or was["no_proxy"], ".docker.io"]))
    os.environ.update(SSL_CERT_FILE=str(trusted), NO_PROXY=direct, no_proxy=direct)
    docker_host = os.environ.get("DOCKER_HOST")
    try:
        engine = servers.docker(alone=True, quiet=True)
    finally:
        for name, value in was.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        assert engine.child
        enter = ["nsenter", f"--target={engine.child.pid}", "--mount"]
        subprocess.run([*enter, "mount", "--bind", names, "/etc/hosts"], check=True)
        yield engine
    finally:
        engine.stop()
        if docker_host:  # that which was before
            os.environ["DOCKER_HOST"] = docker_host


@contextmanager
def _registry(folder: Path, issued: Issued) -> Iterator[None]:
    settings = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "auth": {
            "token": {
                "realm": f"https://{TOKENS}/token",
                "service": SERVICE,
                "issuer": TOKENS,
                "rootcertbundle": str(issued.authority),
            }
        },
        "http": {
            "addr": f"{ADDRESSES[REGISTRY]}:443",
            "secret": "of the tests",
            "tls": {"certificate": str(issued.certificate), "key": str(issued.key)},
        },
    }
    (folder / "settings").write_text(json.dumps(settings))
    program = doctor.require("docker-registry")
    child = start_child([program, "serve", folder / "settings"], log=folder / "log", grace=0)
    try:
        until(_answers, 20, "the stand-in for Docker Hub")
        yield
    finally:
        child.stop()


def _answers() -> bool:
    with suppress(OSError), socket.create_connection((ADDRESSES[REGISTRY], 443)):
        return True
    return False


def _is_found() -> bool:
    pull = ["docker", "pull", "nobody/nothing"]
    said = subprocess.run(pull, capture_output=True, text=True, check=False).stderr
    return "pull access denied" in said


@contextmanager
def _tokens(hub: Hub, issued: Issued) -> Iterator[None]:
    """The server that says who may do what, in tokens that the registry believes."""
    certificate = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user, password = _basic(self.headers["Authorization"])
            if user and hub.accounts.get(user) != password:
                return self.answer(401, {"details": "incorrect username or password"})
            asked = parse_qs(urlsplit(self.path).query).get("scope", [])
            access = [granted for scope in asked if (granted := _access(user, scope))]
            hub.granted += [
                (user, f"{grant['name']}:{','.join(grant['actions'])}") for grant in access
            ]
            now = int(time.time())
            claims = {"iss": TOKENS, "sub": user, "aud": SERVICE, "jti": str(time.time_ns())}
            claims |= {"nbf": now - 10, "iat": now, "exp": now + 300, "access": access}
            key = issued.key.read_bytes()
            token = jwt.encode(claims, key, algorithm="ES256", headers={"x5c": chain})
            return self.answer(200, {"token": token, "expires_in": 300})

        def answer(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with ThreadingHTTPServer((ADDRESSES[TOKENS], 443), Tokens) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def _basic(header: str | None) -> tuple[str, str]:
    """The user and the password; empty of who has none."""
    given = base64.b64decode((header or "").removeprefix("Basic ")).decode()
    user, _, password = given.partition(":")
    return user, password


def _access(user: str, scope: str) -> dict[str, object] | None:
    """What somebody is given of what was asked for, as `repository:lia/nochat:pull,push`."""
    kind, name, actions = scope.split(":")
    owner = {"library": OWNER}.get(space := name.partition("/")[0], space)
    allowed = ("pull", "push") if user == owner else ("pull",) if owner == OWNER else ()
    given = sorted({*actions.split(",")} & {*allowed})
    return {"type": kind, "name": name, "actions": given} if given else None
