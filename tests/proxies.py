"""A way to a real server that can go silent: it takes what it is told, and says nothing."""

import contextlib
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator


class Proxy(socketserver.ThreadingTCPServer):
    """Passes on what comes, both ways; while it is `silent` all of that is lost.

    Args:
        port: of the real server, on this computer.
        host: address of this computer to listen on.

    Attributes:
        answers: how many times the server may say something until the connection breaks.
    """

    daemon_threads = True

    def __init__(self, port: int, host: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Pass)
        self.target, self.port = port, self.server_address[1]
        self.silent = self.closing = False
        self.answers = sys.maxsize

    def may_answer(self) -> bool:
        """Count an answer; the one that breaks the connection is the last that breaks one."""
        self.answers -= 1
        if self.answers:
            return True
        self.answers = sys.maxsize
        return False


class _Pass(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError),  # either side may go as it likes
            socket.create_connection(("127.0.0.1", self.server.target)) as real,
        ):
            other = {self.request: real, real: self.request}
            while not self.server.closing:
                for side in select.select([*other], [], [], 0.05)[0]:
                    if not (data := side.recv(65536)):
                        return
                    if side is real and not self.server.may_answer():
                        return
                    if not self.server.silent:
                        other[side].sendall(data)


@contextlib.contextmanager
def proxy(port: int, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """One that serves until the block ends."""
    with Proxy(port, host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.closing = True
            server.shutdown()
            thread.join()
