"""`nochat up` as people run it keeps what it acknowledged, whatever ends it or fills its disk."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from nochat.lab.chat import UNLIMITED
from nochat.lab.people import Person
from nochat.local.processes import free_port
from nochat.protocol.envelope import new_id
from nochat.protocol.fields import LOBBY
from tests.cli.test_cli import CLEAN, running
from tests.proxies import proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LIMITS = UNLIMITED | {"replica_url": "off"}


@contextmanager
def a_chat(folder, **settings):
    """Run `nochat up`; gives the process and the page's address."""
    with running(folder, "up", **LIMITS, **settings) as (process, line):
        assert line, "nochat up did not start"
        yield process, line.split(": ")[1]


async def talk(person: Person, acknowledged: list[str], said: asyncio.Event) -> None:
    """Say one thing after another, and note what is acknowledged, until the chat is gone."""
    while True:
        client_id = new_id()
        try:
            await person.says(client_id, client_id=client_id)
        except Exception:
            return
        acknowledged.append(client_id)
        said.set()


async def talked(url: str, number: int, end, *, first=None) -> list[str]:
    """Let three people talk; at so many messages end it all. Gives what was acknowledged.

    `first` is called before the end, and 20 more are acknowledged after it.
    """
    acknowledged: list[str] = []
    said = asyncio.Event()
    people = [await Person(f"u{new_id()[:10]}", url).arrive() for _ in range(3)]
    # Several at once, so that there is always something on its way.
    talks = [
        asyncio.create_task(talk(writer, acknowledged, said))
        for writer in people
        for _ in range(10)
    ]

    async def until(count: int) -> None:
        async with asyncio.timeout(60):
            while len(acknowledged) < count:
                said.clear()
                await said.wait()

    try:
        if first:
            await until(number)
            first()
            number = len(acknowledged) + 20
        await until(number)
        await asyncio.to_thread(end)
    finally:
        for person in people:
            await person.leave()
        await asyncio.gather(*talks)
    return acknowledged


async def stored(url: str) -> list[str]:
    """Everything that the lobby's log has."""
    entries, after = [], 0
    async with Person(f"u{new_id()[:10]}", url) as person:
        await person.says("the end")
        await person.until(lambda: "the end" in person.texts(), 60)
        while True:
            page = await person.call("history", {"room": LOBBY, "after": after, "limit": 200})
            entries += page["entries"]
            if not page["more"]:
                break
            after = entries[-1]["position"]
    positions = [entry["position"] for entry in entries]
    assert positions == sorted(set(positions))
    return [entry["text"] for entry in entries if entry["type"] == "message.sent"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_a_chat_that_ends_under_load_has_kept_what_it_acknowledged(tmp_path, number):
    with a_chat(tmp_path) as (process, url):

        def end():
            process.send_signal(number)
            process.wait(30)

        acknowledged = await talked(url, 300, end)
        assert process.returncode == (-9 if number == signal.SIGKILL else 0)
    with a_chat(tmp_path) as (_, url):
        texts = await stored(url)
    assert len(texts) == len(set(texts))
    assert set(acknowledged) <= set(texts)


async def test_a_store_that_says_nothing_costs_no_message_at_a_stop(
    tmp_path, mongodb_server, capfd
):
    """The stop waits for it, within its time; what is left is named, and handled later."""
    port = int(mongodb_server.url.rpartition(":")[2])
    with proxy(port) as stalling:
        activity = f"mongodb://127.0.0.1:{stalling.port}/kept{new_id()[:8]}"
        with a_chat(tmp_path, activity_url=activity) as (process, url):

            def fall_silent():
                stalling.silent = True

            def end():
                process.send_signal(signal.SIGTERM)
                process.wait(60)

            acknowledged = await talked(url, 200, end, first=fall_silent)
        stalling.silent = False
        assert "messages wait for the next start: " in capfd.readouterr().err
        with a_chat(tmp_path, activity_url=activity) as (_, url):
            texts = await stored(url)
    assert set(acknowledged) <= set(texts)
    assert len(texts) == len(set(texts))


def store_of(process: subprocess.Popen) -> int:
    """The process id of a chat's embedded store."""
    for child in psutil.Process(process.pid).children(recursive=True):
        command = child.cmdline()
        if "nx_27017.nx_27017" in command and command[1] == "-m":
            return child.pid
    raise LookupError("no embedded store runs")


async def test_a_full_disk_makes_messages_wait_and_loses_none(tmp_path, capfd):
    with a_chat(tmp_path) as (process, url):
        async with Person(f"u{new_id()[:10]}", url) as ana:
            for number in range(20):
                await ana.says(f"before {number}")
            await ana.until(lambda: "before 19" in ana.texts())
            store = store_of(process)
            files = (tmp_path / "activity").rglob("*")
            size = max(file.stat().st_size for file in files if file.is_file())
            # No file of the store may grow from now on: what a full disk is to it.
            before = resource.prlimit(store, resource.RLIMIT_FSIZE, (size, -1))
            for number in range(200):
                await ana.says(f"meanwhile {number} {'x' * 2000}")
            await ana.until(lambda: any("meanwhile 199" in text for text in ana.texts()))
            assert "activity waits: the activity store can't do this now" in capfd.readouterr().err
            resource.prlimit(store, resource.RLIMIT_FSIZE, before)
            texts = await stored(url)
    assert [text for text in texts if text.startswith("before")] == [
        f"before {number}" for number in range(20)
    ]
    assert [text.split()[1] for text in texts if text.startswith("meanwhile")] == [
        str(number) for number in range(200)
    ]


def test_a_second_chat_on_the_same_folder_is_refused_and_told_of_the_first(tmp_path):
    with a_chat(tmp_path) as (process, _):
        env = CLEAN | {"NOCHAT_DATA_DIR": str(tmp_path), "NOCHAT_PORT": str(free_port())}
        second = [sys.executable, "-m", "nochat", "up"]
        ended = subprocess.run(second, env=env, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert f"in use by process {process.pid} (" in ended.stderr
        assert "stop it, or set NOCHAT_DATA_DIR to another folder" in ended.stderr
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
