"""Exercise 02b: an idempotent consumer."""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from nochat.lab.exercise import workers
from nochat.lab.exercise.amqp import QUORUM, connected, connection, count
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.notes import Notes
from nochat.local.processes import until

ORDERS, QUEUE = 12, "orders"
# Where bakers die: in the oven, and between the oven and the ack. Each is the end of one process.
DEATHS = ("begins", "baked", "baked")
QUIET, STALLED = 1.0, 10.0  # seconds


@dataclass(frozen=True)
class Oven:
    """An oven that notes in a file what was baked in it; it survives its baker.

    Args:
        notes: the file.
        dies: kill the baker's process at a note that begins with this word; "" for never.
        after: the number of such notes before, in the same process.
        spares: orders at which nobody is killed: sent twice, they would come back in any case.
    """

    notes: Notes
    dies: str = ""
    after: int = 0
    spares: frozenset[str] = frozenset()

    def bake(self, order: str) -> None:
        """Bake an order, which takes a moment."""
        self._note("begins", order)
        time.sleep(0.01)
        self._note("baked", order)

    def has_baked(self, order: str) -> bool:
        """Return whether an order was baked, by whomever."""
        return f"baked {order}" in self.notes.lines()

    def _note(self, word: str, order: str) -> None:
        self.notes.add(f"{word} {order}")
        _noted[word] += 1
        if word == self.dies and _noted[word] > self.after and order not in self.spares:
            os.kill(os.getpid(), signal.SIGKILL)


_noted: Counter[str] = Counter()  # by this process


@exercise(
    "02b",
    "each order is baked once, though deliveries repeat and bakers die",
    untouched="Nothing was baked of {orders} orders. Take messages of the queue `orders` in your "
    "`bake`, and give each to `oven.bake`.",
    raw="The oven was given {baked}, and the order was {order}. A message's body is bytes. What "
    "makes text of it?",
    lost="{lost} of {orders} orders were never baked, and their queue is empty. What does the "
    "broker do with an order once you have acknowledged it, and you die before the oven is hot?",
    twice="{order} was baked {times} times. Its message came again: the baker before had died "
    "between the oven and the ack, or the customer had sent it twice. Where could a new baker look "
    "up what the one before had done?",
    left="{left} orders still wait, and nobody has acknowledged them. Does your function take one "
    "order after the other, and does each way through it end with an ack, also the way of an order "
    "that was baked before?",
    failed="Your baker ended with an error: {error}",
)
async def baked_once(answer: Callable[[BlockingChannel, Oven], Any], *, url: str) -> None:
    """Judge `bake(channel, oven)` in a process that is killed again and again."""
    await asyncio.to_thread(_judge, answer, url)


def _work(bake: Callable[[BlockingChannel, Oven], Any], url: str, oven: Oven) -> None:
    with connected(url) as channel:
        channel.basic_qos(prefetch_count=1)
        bake(channel, oven)


def _judge(bake: Any, url: str) -> None:
    if not callable(bake):
        raise Mistake("untouched", orders=ORDERS)
    chance = random.SystemRandom()
    orders = [f"{chance.choice(['pizza', 'bread', 'cake'])}-{n}" for n in range(ORDERS)]
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as name, connection(url) as own:
        folder, channel = Path(name), own.channel()
        doubled = chance.sample(orders, 2)
        oven = Oven(Notes(folder / "oven"), spares=frozenset(doubled))
        _send(channel, chance.sample([*orders, *doubled], ORDERS + 2))
        try:
            for dies in chance.sample(DEATHS, len(DEATHS)):
                _let_bake(folder, bake, url, replace(oven, dies=dies, after=chance.randrange(3)))
                if not oven.notes.written:
                    break  # nor will the next one begin
            _let_bake(folder, bake, url, oven)
            _compare(orders, oven.notes, own, workers.error(folder))
        finally:
            channel.queue_delete(QUEUE)


def _send(channel: BlockingChannel, orders: list[str]) -> None:
    channel.queue_delete(QUEUE)
    channel.queue_declare(QUEUE, durable=True, arguments=QUORUM)
    channel.confirm_delivery()
    for order in orders:
        properties = pika.BasicProperties(message_id=order)
        channel.basic_publish("", QUEUE, order.encode(), properties)


def _let_bake(folder: Path, bake: Any, url: str, oven: Oven) -> None:
    """Run a baker until they die or stop, or have nothing more to do."""
    baker = workers.start(folder, _work, bake, url, oven)
    try:
        with connection(url) as own:
            until(lambda: not baker.alive or _is_idle(own, oven.notes, folder), pause=0.02)
    finally:
        baker.kill()
        baker.stop()


def _is_idle(own: pika.BlockingConnection, notes: Notes, folder: Path) -> bool:
    began = workers.begun(folder)
    idle = began and time.time() - max(began, notes.written)
    return idle > STALLED or (idle > QUIET and not count(own, QUEUE))


def _compare(orders: list[str], notes: Notes, own: pika.BlockingConnection, error: str) -> None:
    baked = Counter(line.split()[1] for line in notes.lines() if line.startswith("baked"))
    # What nobody has acknowledged comes back now that the baker is gone.
    left = until(lambda: count(own, QUEUE), QUIET)
    if left and error:
        raise Mistake("failed", error=error)
    if not baked:
        raise Mistake("untouched", orders=len(orders))
    if raw := sorted(order for order in baked if order.startswith("b'")):
        raise Mistake("raw", baked=raw[0], order=raw[0][2:-1])
    if twice := [order for order in orders if baked[order] > 1]:
        raise Mistake("twice", order=twice[0], times=baked[twice[0]])
    if left:
        raise Mistake("left", left=left)
    if lost := [order for order in orders if not baked[order]]:
        raise Mistake("lost", lost=len(lost), orders=len(orders))
