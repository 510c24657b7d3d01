"""A stand-in for logz.io's listener: its bulk HTTPS API, with its limits and its refusals.

For example::

    with logz.stand_in() as logs:
        logs.trust(farm)
        deploy.deploy(farm, images, registry, variables=logs.variables)
        logs.lines
"""

import base64
import gzip
import json
import secrets
import ssl
import tempfile
import threading
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from nochat.lab import deploy
from nochat.lab.certificates import Authority
from nochat.lab.machines import Farm
from nochat.lab.surroundings import own_address
from nochat.local.processes import free_port

MAX_BODY, MAX_LINE = 10_485_760, 500_000
# Logz.io itself needs none of this, as all computers know who issued its certificate.
ON_MACHINE = "/opt/logz.pem"
TRUSTS = f"""\
services:
  log_shipper:
    environment: {{SSL_CERT_FILE: /logz.pem}}
    volumes: ["{ON_MACHINE}:/logz.pem:ro"]
"""


class Listener:
    """The stand-in; it can be started and stopped again and again, at the same port.

    Args:
        folder: takes its files.
        token: the shipping token that it accepts.
        address: the address that it listens at.

    Attributes:
        certificate: the certificate of the authority to trust.
        lines: what it has accepted, in order of arrival.
        asked: the statuses that it has answered with.
        broken: a status to answer with, whatever arrives; 0 for none.
    """

    def __init__(self, folder: Path, token: str, address: str = "127.0.0.1") -> None:
        self.token, self._folder = token, folder
        self._issued = Authority("a stand-in").issue(folder / "tls", "listener", [address])
        self.certificate = self._issued.authority
        self.url = f"https://{address}:{free_port()}"
        self.lines: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.broken = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Begin to listen."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, said = listener.take(self.path, self.headers, body)
                listener.asked.append(status)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        where = urlsplit(self.url)
        self._server = ThreadingHTTPServer((str(where.hostname), where.port or 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._issued.certificate, self._issued.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening; calling it again does nothing."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        """Return the status and the answer, as logz.io documents them."""
        query = parse_qs(urlsplit(path).query)
        if self.broken:
            return self.broken, b"not now"
        if query.get("token") != [self.token]:
            return 401, b""
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if len(body) > MAX_BODY:
            return 413, b""
        counts = {"malformedLines": 0, "successfulLines": 0, "oversizedLines": 0}
        counts["emptyLogLines"] = 0
        for line in body.removesuffix(b"\n").split(b"\n"):
            counts[self._kind(line, query["type"][0])] += 1
        if counts["successfulLines"] == sum(counts.values()):
            return 200, b""
        return 400, json.dumps(counts).encode()

    def trust(self, farm: Farm) -> None:
        """Copy the authority's certificate to the machine of the chat.

        Raises:
            MachinesError: the machine can't be reached.
        """
        text = base64.b64encode(self.certificate.read_bytes()).decode()
        farm.ssh(deploy.CHAT, f"echo {text} | base64 -d | sudo tee {ON_MACHINE} >/dev/null")

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables of the role `stack` for a chat that sends its events here."""
        overlay = self._folder / "logz.yaml"
        overlay.write_text(TRUSTS, encoding="utf-8")
        return {
            "stack_files": [*deploy.compose_files(), str(overlay)],
            "stack_profiles": ["logs"],
            "stack_logz_token": self.token,
            "stack_environment": {"NOCHAT_LOGZ_URL": self.url},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<a stand-in for logz.io at {self.url}: {len(self.lines)} lines>"

    def _kind(self, line: bytes, name: str) -> str:
        if not line:
            return "emptyLogLines"
        if len(line) > MAX_LINE:
            return "oversizedLines"
        try:
            fields = json.loads(line)
        except ValueError:
            return "malformedLines"
        self.lines.append({"type": name} | fields)
        return "successfulLines"


class StandIn(Listener):
    """A listener with a folder and a token of its own, which machines reach."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="nochat-logz-")
        super().__init__(Path(self._temporary.name), secrets.token_hex(16), own_address())

    def stop(self) -> None:
        """Stop listening and remove the folder; calling it again does nothing."""
        super().stop()
        self._temporary.cleanup()


def stand_in() -> StandIn:
    """Start a stand-in for logz.io's listener; it ends with this process."""
    made = StandIn()
    made.start()
    return made
