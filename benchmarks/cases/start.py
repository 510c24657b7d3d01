"""The start time of the chat, and the time of searches."""

import asyncio
import os
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import TEXT
from benchmarks.measure import Figure, Size, alternate
from benchmarks.row import Row
from nochat.lab import servers
from nochat.local.processes import ChildProcess, free_port, start_child, until, wait_until
from nochat.protocol.events import MessageSent, RoomCreated, RoomJoined
from nochat.protocol.requests import SearchMessages
from nochat.stores.activity import ActivityStore

GROUP = "start and search"
PATIENCE = 60.0
IMPORTED = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)
AT_ONCE = 500  # messages that are stored together


def rows(size: Size) -> Iterator[Row]:
    """Measure the start of `nochat up`, and searches."""
    yield Row(GROUP, "nochat up until the page answers", "s", alternate(size.rounds, {"chat": _up}))
    figures = alternate(size.rounds, {"chat": _imports})
    yield Row(GROUP, "what of it are imports", "s", figures)
    for case, figure in asyncio.run(_searches(size)).items():
        yield Row(GROUP, f"{case} in {size.found:,} messages", "ms", {"chat": figure})


def _up() -> Figure:
    began = time.perf_counter()
    child, url = _start()
    with child:
        until(lambda: _answers(url, child), PATIENCE, pause=0.01)
        return Figure(time.perf_counter() - began)


def _imports() -> Figure:
    child, url = _start("-X", "importtime")
    with child:
        wait_until(lambda: _answers(url, child), PATIENCE, "nochat up", child)
        said = child.log.read_text(encoding="utf-8")
    return Figure(sum(map(int, IMPORTED.findall(said))) / 1e6)


def _start(*options: str) -> tuple[ChildProcess, str]:
    folder, port = Path(tempfile.mkdtemp(prefix="nochat-bench-")), free_port()
    settings = {"NOCHAT_DATA_DIR": str(folder / "data"), "NOCHAT_PORT": str(port)}
    command = [sys.executable, *options, "-m", "nochat", "up"]
    log = folder / "log"
    child = start_child(command, env=os.environ | settings, log=log, remove=folder)
    return child, f"http://127.0.0.1:{port}/"


def _answers(url: str, child: ChildProcess) -> bool:
    if not child.alive:
        return True
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


async def _searches(size: Size) -> dict[str, Figure]:
    with servers.mongodb() as server:
        async with ActivityStore.opened(server.url) as store:
            await store.record(
                [RoomCreated("room", 1, "somebody", "Room"), RoomJoined("room", 2, "somebody")]
            )
            for first in range(0, size.found, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, size.found))
                await store.record([_message(number) for number in numbers])
            words = {"search for a word of one": "number7", "search for a word of all": "fox"}
            return {case: await _search(size, store, f"{word}") for case, word in words.items()}


def _message(number: int) -> MessageSent:
    return MessageSent("room", number + 3, "somebody", f"id-{number}", f"{TEXT} number{number}")


async def _search(size: Size, store: ActivityStore, word: str) -> Figure:
    times = []
    for _ in range(2 * size.rounds + 1):
        began = time.perf_counter()
        found = await store.search(SearchMessages(user="somebody", text=word))
        times.append(1e3 * (time.perf_counter() - began))
        assert found.entries, word
    return Figure(sorted(times)[size.rounds], p99=max(times))
