"""Connections that take all the files that a process may open: nothing accepted is lost."""

import resource
import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import pytest

from nochat.lab import checks
from nochat.lab.chat import UNLIMITED
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from tests.cli.test_cli import running

SPARE = 10  # files more than the chat has open


@pytest.mark.slow
async def test_the_chat_goes_on_when_no_more_files_can_be_opened(tmp_path):
    limits = UNLIMITED | {"replica_url": "off"}
    with running(tmp_path, "up", **limits) as (process, line), ExitStack() as flood:
        url = line.split(": ")[1]
        async with Person(f"u{new_id()[:10]}", url) as ana:
            chat, place = psutil.Process(process.pid), urlsplit(url)
            limit = chat.num_fds() + SPARE
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
            connections = [
                flood.enter_context(socket.create_connection((place.hostname, place.port)))
                for _ in range(3 * SPARE)
            ]
            assert await checks.until(lambda: chat.num_fds() >= limit)
            for number in range(20):
                await ana.says(f"meanwhile {number}")
            await ana.until(lambda: "meanwhile 19" in ana.texts())
            for connection in connections:
                connection.close()
            # Until then libuv resets who comes, and a browser tries again.
            assert await checks.until(lambda: chat.num_fds() < limit)
            async with Person(f"u{new_id()[:10]}", url) as bob:
                await bob.says("there is room again")
                await ana.until(lambda: "there is room again" in ana.texts())
        assert process.poll() is None


@pytest.mark.slow
async def test_silent_connections_keep_nobody_out(tmp_path):
    """More than the files that a process may open by default, with the default limits."""
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, ours[1]))  # as a shell has it; inherited
    with ExitStack() as stack:
        try:
            process, line = stack.enter_context(running(tmp_path, "up", replica_url="off"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (ours[1], ours[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, ours)
        url = line.split(": ")[1]
        place, chat = urlsplit(url), psutil.Process(process.pid)
        before = chat.num_fds()
        flood = [
            stack.enter_context(socket.create_connection((place.hostname, place.port)))
            for _ in range(1100)
        ]
        began = time.monotonic()
        async with Person(f"u{new_id()[:10]}", url) as ana:
            await ana.says("I got in")
            await ana.until(lambda: "I got in" in ana.texts())
            assert time.monotonic() - began < 15
            # And none of them stays, though nobody closes it at the other end.
            assert await checks.until(lambda: chat.num_fds() < before + 20, 20)
        assert len(flood) == 1100
