"""A small stack that stands for the eleven containers: RabbitMQ and the chat run beside it.

The container `rabbitmq` only relays to the broker of this computer, by a socket in a folder.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from urllib.parse import urlsplit

import pytest

from nochat.lab import chat, containers

COMPOSE = """
services:
  rabbitmq:
    image: {image}
    entrypoint: [/usr/bin/python3, -IS, /relay/relay.py]
    volumes: ["{folder}:/relay"]
    networks: [back]
    healthcheck: {{disable: true}}
  controller: {{image: "{image}", profiles: [never]}}  # it runs outside, with the whole chat
networks:
  front: {{}}
  back: {{internal: true}}
secrets:
  bus_url: {{file: {folder}/bus_url}}
"""
RELAY = """
import asyncio

async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def come(reader, writer):
    there = await asyncio.open_unix_connection("/relay/socket")
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

async def main():
    async with await asyncio.start_server(come, "", 5672) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def mini_stack(image: str, url: str, folder: Path) -> Iterator[containers.Stack]:
    """Start it, with a whole chat on the RabbitMQ of a URL."""
    at = urlsplit(url)
    address = (str(at.hostname), int(at.port or 5672))
    (folder / "relay.py").write_text(RELAY)
    (folder / "bus_url").write_text(url.replace(f"{address[0]}:{address[1]}", "rabbitmq:5672"))
    (folder / "compose.yaml").write_text(COMPOSE.format(image=image, folder=folder))
    with pytest.MonkeyPatch.context() as patch, _listening(folder / "socket", address):
        patch.setenv("COMPOSE_FILE", str(folder / "compose.yaml"))
        patch.setattr("nochat.lab.containers.stack._project", lambda: f"nochat-mini-{os.getpid()}")
        stack = containers.prepare(quiet=True)
        port = int(stack.url.rpartition(":")[2])
        with stack, chat.start(bus=url, port=port):
            stack.up()
            yield stack


@contextmanager
def _listening(path: Path, address: tuple[str, int]) -> Iterator[None]:
    """Connect whoever comes to a socket in a folder with an address of this computer."""

    class Relay(StreamRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(address) as there:
                back = threading.Thread(target=_copy, args=[there, self.connection])
                back.start()
                _copy(self.connection, there)
                back.join()

    with ThreadingUnixStreamServer(str(path), Relay) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
