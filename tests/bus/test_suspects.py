"""A message that kills its service is found, and its neighbours are not blamed."""

import asyncio
import subprocess
import sys

import pytest

from nochat.bus import connect
from nochat.errors import Unavailable
from nochat.protocol.events import MessageSent
from tests.bus.helpers import Seen, dead_queue, message, queue_of

# It dies of one message, as by a fault in a library, and notes the others.
PROGRAM = """
import asyncio, os, sys
from nochat.bus import connect
from nochat.protocol.events import MessageSent
from tests.bus.helpers import queue_of

url, name, notes, poison = sys.argv[1:]

async def take(batch):
    for event in batch.events:
        if event.text == poison:
            os._exit(9)
        with open(notes, "a") as file:
            file.write(f"{event.position}\\n")
    batch.ack()
    if event.text == "the last":
        os._exit(0)

async def main():
    async with connect(url) as bus:
        await bus.subscribe(queue_of(MessageSent, name=name, single_active_consumer=True), take)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(params=["journal", "amqp"])
def lasting_url(request, tmp_path):
    """The buses that outlive a process."""
    if request.param == "journal":
        return f"journal://{tmp_path}/bus"
    return request.getfixturevalue("rabbitmq_server").url


@pytest.mark.slow
async def test_only_the_message_that_kills_a_service_is_set_aside(lasting_url, tmp_path):
    queue, notes = queue_of(MessageSent, single_active_consumer=True), tmp_path / "notes"
    async with connect(lasting_url) as bus:
        await bus.declare(queue)
        for number in range(20):  # each in a message of its own
            await bus.publish(message(number, text="poison" if number == 10 else f"{number}"))
        await bus.publish(message(20, text="the last"))
    command = [sys.executable, "-c", PROGRAM, lasting_url, queue.name, str(notes), "poison"]
    ends = []
    while 0 not in ends and len(ends) < 20:
        ended = await asyncio.to_thread(subprocess.run, command, timeout=30)
        ends.append(ended.returncode)
    assert ends[-1] == 0
    assert set(ends[:-1]) == {9}
    async with connect(lasting_url) as bus, bus.dead_letters() as letters:
        dead = [letter for letter in letters.all if letter.queue == queue.name]
    assert ["poison" in letter.content for letter in dead] == [True]
    assert "crashed 3 times while it handled this alone" in dead[0].reason
    assert {int(note) for note in notes.read_text().split()} == {*range(10), *range(11, 21)}


async def test_stops_while_a_store_is_away_are_held_against_nothing(connected):
    """More of them than RabbitMQ 4 allows by default, 20: the message is there, and handled."""
    queue = queue_of(MessageSent, single_active_consumer=True)
    tried = Seen()

    async def away(batch):
        await tried(batch)
        raise Unavailable("the store is away")

    tried.ack = False
    async with connected() as bus:
        dead, seen = Seen(), Seen()
        await bus.subscribe(dead_queue(), dead)
        await bus.declare(queue)
        await bus.publish(*(message(n) for n in range(5)))
        for count in range(1, 24):
            subscription = await bus.subscribe(queue, away)
            await tried.until(lambda count=count: len(tried.batches) >= count)
            await subscription.cancel()
        await bus.subscribe(queue, seen)
        await seen.count(5)
        assert seen.positions == list(range(5))
        assert not dead.events
