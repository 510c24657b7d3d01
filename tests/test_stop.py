"""SIGTERM to a real process under load: what it has in hand is finished, the rest waits."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nochat.bus import connect
from nochat.lab import checks
from nochat.local.processes import start_child
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from tests import queues
from tests.bus.helpers import message, queue_of

pytestmark = pytest.mark.slow

# It says when it begins and ends with each event: what was begun twice was cut off.
SERVICE = """
import asyncio
import os

from nochat.errors import Unavailable
from nochat.protocol.events import MessageSent
from nochat.service import Service

service = Service(os.environ["NAME"])
notes = open(os.environ["NOTES"], "a", buffering=1)

@service.on(MessageSent)
async def take(event: MessageSent) -> None:
    notes.write(f"begin {event.position}\\n")
    if os.path.exists(os.environ["NOTES"] + ".away"):
        raise Unavailable("the store is away")
    await asyncio.sleep(0.002)
    notes.write(f"end {event.position}\\n")
"""


class Process:
    """The service as a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.name, self.notes = f"slow-{new_id()[:8]}", folder / "notes"
        file = folder / "slow.py"
        file.write_text(SERVICE)
        self._command = [sys.executable, "-m", "nochat", "run", str(file)]
        ours = {k: v for k, v in os.environ.items() if not k.startswith("NOCHAT_")}
        self._env = ours | {"NOCHAT_BUS_URL": url, "NAME": self.name, "NOTES": str(self.notes)}
        self.log = folder / "log"
        self.notes.touch()

    def start(self):
        return start_child(self._command, env=self._env, log=self.log, grace=20)

    def noted(self, what: str) -> list[int]:
        lines = (line.split() for line in self.notes.read_text().splitlines())
        return [int(number) for verb, number in lines if verb == what]


@pytest.fixture
def process(rabbitmq_server, tmp_path):
    process = Process(tmp_path, rabbitmq_server.url)
    yield process
    queues.delete(rabbitmq_server.url, queues.of_the_chat() | {process.name})


async def terminated(kept) -> float:
    """End a process as an orchestrator does; gives the seconds that it took."""
    began = time.monotonic()
    os.kill(kept.pid, signal.SIGTERM)
    assert await checks.until(lambda: not kept.alive, timeout=15)
    return time.monotonic() - began


async def test_everything_is_handled_exactly_once_across_a_stop(process, rabbitmq_server):
    number = 3000
    async with connect(rabbitmq_server.url, "test") as bus:
        await bus.declare(queue_of(MessageSent, name=process.name))

        async def publish():
            for position in range(number):
                await bus.publish(message(position))

        publishing = asyncio.create_task(publish())
        with process.start() as first:
            assert await checks.until(lambda: len(process.noted("end")) > 100, timeout=30)
            await terminated(first)
        done = len(process.noted("end"))
        assert process.noted("begin") == process.noted("end")
        assert done < number
        with process.start():
            assert await checks.until(lambda: len(process.noted("end")) >= number, timeout=40)
        await publishing
    assert process.noted("begin") == process.noted("end") == list(range(number))


async def test_a_service_waiting_for_its_store_stops_at_once_and_loses_nothing(
    process, rabbitmq_server
):
    away = Path(f"{process.notes}.away")
    away.touch()
    async with connect(rabbitmq_server.url, "test") as bus:
        await bus.declare(queue_of(MessageSent, name=process.name))
        await bus.publish(*(message(position) for position in range(10)))
        with process.start() as first:
            # From the seventh attempt on it waits for seconds.
            assert await checks.until(lambda: len(process.noted("begin")) > 6, timeout=30)
            assert await terminated(first) < 5
        away.unlink()
        with process.start():
            assert await checks.until(lambda: len(process.noted("end")) >= 10, timeout=30)
    assert process.noted("end") == list(range(10))
