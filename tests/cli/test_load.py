"""`nochat load`: people who write, and what it says of the chat."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from nochat.cli.load import Report, Socket, load
from nochat.errors import NochatError
from nochat.lab import chat as lab


@pytest.fixture(scope="module")
def chat():
    with lab.start(**lab.UNLIMITED) as chat:
        yield chat


@pytest.mark.slow
async def test_everything_that_is_sent_arrives_and_is_measured(chat):
    said = []
    report = await load(chat.url, people=3, rate=40, seconds=0.5, say=said.append)
    assert (report.sent, report.lost, len(report.delays)) == (20, 0, 60)
    assert 0 < min(report.delays.values()) <= max(report.delays.values()) < 30
    assert said[0] == "1 of 3 people are there"
    assert "60 of 60 delivered; half of them within" in str(report)


def test_a_duplicate_delivery_counts_once():
    report = Report(people=2)
    report.sends("hello")
    report.sent = 1
    for person in (0, 1, 1):
        report.gets(person, "hello")
        report.gets(person, "what somebody else wrote")
    assert report.lost == 0
    assert "1 messages, 2 of 2 delivered" in str(report)


async def test_a_chat_that_is_not_there_is_said():
    with pytest.raises(NochatError, match=r"http://127\.0\.0\.1:9 can't be used"):
        await load("http://127.0.0.1:9", people=1, rate=1, seconds=1, say=print)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (['44{"message":"unavailable"}'], "refuses a socket: unavailable"),
        ([], "the chat closed a socket"),
    ],
)
async def test_unanswered_calls_fail_at_once_with_the_reason(says, expected):
    """Of a chat that refuses a socket, or goes, while somebody waits for an answer."""

    async def handle(link):
        await link.send("0{}")
        await link.recv()
        for packet in says:
            await link.send(packet)
        await link.recv()  # what waits for an answer

    async with serve(handle, "127.0.0.1", 0) as server:
        url = "http://127.0.0.1:{}".format(*server.sockets[0].getsockname()[1:2])
        async with asyncio.timeout(5), Socket.opened(url, "", print) as socket:
            with pytest.raises(NochatError, match=expected):
                await socket.call("join", {"room": "lobby"})


@pytest.mark.slow
def test_the_command_says_figures_and_wants_numbers(chat):
    nochat = Path(sys.executable).with_name("nochat")
    command = [nochat, "load", chat.url, "--people=2", "--rate=20"]
    ran = subprocess.run([*command, "--seconds=0.5"], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0, ran.stderr
    assert "2 people: 10 messages, 20 of 20 delivered" in ran.stdout.splitlines()[-1]
    for wrong in ("0", "inf", "nan"):
        argument = f"--seconds={wrong}"
        ran = subprocess.run([*command, argument], capture_output=True, text=True, timeout=30)
        assert ran.returncode == 2
        assert f"{wrong} is not a number above 0" in ran.stderr
