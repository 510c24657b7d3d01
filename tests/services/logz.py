"""A stand-in for logz.io's listener: its bulk HTTPS API, with its limits and its refusals."""

import gzip
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from nochat.lab.certificates import Authority
from nochat.local.processes import free_port

MAX_BODY, MAX_LINE = 10_485_760, 500_000


class Listener:
    """The stand-in; it can be started and stopped again and again, at the same port.

    Attributes:
        certificate: of the authority to believe.
        lines: what it took, in order of arrival.
        asked: statuses that it answered with.
        broken: a status to answer with, whatever comes.
    """

    def __init__(self, folder: Path, token: str, address: str = "127.0.0.1") -> None:
        self.token = token
        self._issued = Authority("a stand-in").issue(folder / "tls", "listener", [address])
        self.certificate = self._issued.authority
        self.url = f"https://{address}:{free_port()}"
        self.lines: list[dict] = []
        self.asked: list[int] = []
        self.broken = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
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

            def log_message(self, *_) -> None:
                pass

        where = urlsplit(self.url)
        self._server = ThreadingHTTPServer((where.hostname, where.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._issued.certificate, self._issued.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, path: str, headers, body: bytes) -> tuple[int, bytes]:
        """The status and the answer, as logz.io documents them."""
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
