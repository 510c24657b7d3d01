"""The exercises of notebook 02: bindings, idempotent consumers, retries."""

import asyncio
import os
import random
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from nochat.lab.exercise import workers
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.local.processes import until

QUORUM = {"x-queue-type": "quorum"}


@contextmanager
def connected(url: str) -> Iterator[BlockingChannel]:
    """Yield a channel of a connection of its own."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


# ---- 02a ------------------------------------------------------------------------------------------

PLACES = ("town", "village", "harbour", "castle")
PARTS = ("market", "church", "school", "north", "old")
TOPICS = ("sport", "fair", "fish", "weather", "music")
LETTERS = 50


def _wanted(key: str) -> bool:
    return key.split(".")[0] == "town" or key.split(".")[-1] == "sport"


def _key(chance: random.Random) -> str:
    middle = chance.sample(PARTS, chance.choice([0, 0, 1, 2]))
    return ".".join([chance.choice(PLACES), *middle, chance.choice(TOPICS)])


@exercise(
    "02a",
    "bindings for a rule in words, and a sender who learns what nobody wants",
    untouched="Nothing is bound yet: your `bind` was called, and the queue got none of {sent} "
    "letters. Call `channel.queue_bind` in it.",
    star="{key} is wanted, and did not come, while keys of two words did. How many words does `*` "
    "stand for, and how many does `#`?",
    misses="{key} is wanted by the rule, and did not come. Which of your bindings should match it?",
    too_much="{key} came, and nobody asked for it. Which of your bindings matches it?",
    vanished="No queue took {key}, and your `send` did not say so. What makes RabbitMQ give a "
    "letter back, and what does pika raise then?",
    denied="A queue took {key}, and your `send` said that none did.",
    failed="Your answer ended with an error: {error}",
)
async def bindings(
    answer: tuple[Callable[[BlockingChannel, str], Any], Callable[[BlockingChannel, str], Any]],
    *,
    url: str,
) -> None:
    """Judge `bind(channel, queue)` and `send(channel, key)` by what arrives of random letters."""
    await asyncio.to_thread(_judge_bindings, answer, url)


def _judge_bindings(answer: Any, url: str) -> None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise Mistake("untouched", sent=0)
    bind, send = answer
    chance = random.Random(secrets.randbits(64))
    keys = {_key(chance) for _ in range(4 * LETTERS)}
    sent = ["town.market.fish", "castle.old.north.sport", "village.fair", *keys][:LETTERS]
    with connected(url) as channel:
        channel.exchange_delete("post")
        channel.exchange_declare("post", "topic", auto_delete=True)
        channel.queue_declare("judged", exclusive=True)
        with told("failed"):
            bind(channel, "judged")
        channel.confirm_delivery()
        said = {}
        with told("failed"):
            for key in sent:
                said[key] = send(channel, key)
        came = {
            body.decode()
            for _, _, body in iter(lambda: channel.basic_get("judged", auto_ack=True), _NONE)
        }
        _compare(sent, came, said)


_NONE = (None, None, None)


def _compare(sent: list[str], came: set[str], said: dict[str, Any]) -> None:
    if not came:
        raise Mistake("untouched", sent=len(sent))
    missing = [key for key in sent if _wanted(key) and key not in came]
    short = any(key.count(".") == 1 for key in came)
    if missing:
        deep = all(key.count(".") > 1 for key in missing)
        raise Mistake("star" if deep and short else "misses", key=missing[0])
    if extra := sorted(came - {key for key in sent if _wanted(key)}):
        raise Mistake("too_much", key=extra[0])
    for key in sent:
        if bool(said[key]) != _wanted(key):
            raise Mistake("denied" if _wanted(key) else "vanished", key=key)


# ---- 02b ------------------------------------------------------------------------------------------

ORDERS, KILLS = 12, 5
MOST_SECONDS = 40.0


@dataclass(frozen=True)
class Oven:
    """An oven that notes in a file what was baked in it; it survives its baker."""

    log: Path

    def bake(self, order: str) -> None:
        """Bake an order, which takes a moment."""
        self._note(f"begins {order}")
        time.sleep(0.03)
        self._note(f"baked {order}")
        time.sleep(0.03)

    def has_baked(self, order: str) -> bool:
        """Return whether an order was baked, by whomever."""
        return f"baked {order}" in self._lines()

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def _note(self, line: str) -> None:
        with self.log.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


@exercise(
    "02b",
    "each order is baked once, though deliveries repeat and bakers die",
    untouched="Nothing was baked of {orders} orders. Take messages of the queue `orders` in your "
    "`bake`, and give each to `oven.bake`.",
    lost="{lost} of {orders} orders were never baked, and their queue is empty. What does the "
    "broker do with an order once you have acknowledged it, and you die before the oven is hot?",
    twice="{order} was baked {times} times. Its message came again: the baker before had died "
    "between the oven and the ack, or the customer had sent it twice. Where could a new baker look "
    "up what the one before had done?",
    left="{left} orders still wait: nobody has acknowledged them.",
    failed="Your baker ended with an error: {error}",
)
async def baked_once(answer: Callable[[BlockingChannel, Oven], Any], *, url: str) -> None:
    """Judge `bake(channel, oven)` in a process that is killed again and again."""
    await asyncio.to_thread(_judge_baker, answer, url)


def _work(bake: Callable[[BlockingChannel, Oven], Any], url: str, oven: Oven) -> None:
    with connected(url) as channel:
        channel.basic_qos(prefetch_count=1)
        bake(channel, oven)


def _judge_baker(bake: Any, url: str) -> None:
    if not callable(bake):
        raise Mistake("untouched", orders=ORDERS)
    chance = random.Random(secrets.randbits(64))
    orders = [f"{chance.choice(['pizza', 'bread', 'cake'])}-{n}" for n in range(ORDERS)]
    again = chance.sample(orders, 2)
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as name, connected(url) as channel:
        folder = Path(name)
        oven = Oven(folder / "oven")
        channel.queue_delete("orders")
        channel.queue_declare("orders", durable=True, arguments=QUORUM)
        channel.confirm_delivery()
        for order in sorted([*orders, *again], key=lambda _: chance.random()):
            body = order.encode()
            channel.basic_publish("", "orders", body, pika.BasicProperties(message_id=order))
        try:
            for _ in range(KILLS):
                _bake_and_die(folder, bake, url, oven, chance)
            _bake_to_the_end(folder, bake, url, oven, channel)
            _compare_baked(orders, oven, channel)
        finally:
            channel.queue_delete("orders")


def _bake_and_die(
    folder: Path, bake: Any, url: str, oven: Oven, chance: random.Random
) -> None:
    """Let a baker work until the next order begins, or is baked; then kill the process."""
    seen, waits_for = len(oven._lines()), chance.choice(["begins", "baked"])
    baker = workers.start(folder, _work, bake, url, oven)
    try:
        until(
            lambda: any(line.startswith(waits_for) for line in oven._lines()[seen:])
            or not baker.alive,
            3.0,
            pause=0.002,
        )
    finally:
        baker.kill()
        baker.stop()


def _bake_to_the_end(
    folder: Path, bake: Any, url: str, oven: Oven, channel: BlockingChannel
) -> None:
    baker = workers.start(folder, _work, bake, url, oven)
    try:
        until(lambda: _is_empty(channel) and _is_quiet(oven), MOST_SECONDS, pause=0.1)
        if not baker.alive and not _is_empty(channel):
            lines = (folder / "log").read_text().strip().splitlines()
            if lines:
                raise Mistake("failed", error=lines[-1])
    finally:
        baker.kill()
        baker.stop()


def _is_empty(channel: BlockingChannel) -> bool:
    return channel.queue_declare("orders", passive=True).method.message_count == 0


def _is_quiet(oven: Oven) -> bool:
    return not oven.log.exists() or time.time() - oven.log.stat().st_mtime > 1.0


def _compare_baked(orders: list[str], oven: Oven, channel: BlockingChannel) -> None:
    baked = Counter(line.split()[1] for line in oven._lines() if line.startswith("baked"))
    if not baked:
        raise Mistake("untouched", orders=len(orders))
    # What nobody has acknowledged comes back now that the baker is gone.
    until(lambda: not _is_empty(channel), 1.0)
    left = channel.queue_declare("orders", passive=True).method.message_count
    if twice := [order for order in orders if baked[order] > 1]:
        raise Mistake("twice", order=twice[0], times=baked[twice[0]])
    if lost := [order for order in orders if not baked[order]]:
        if left:
            raise Mistake("left", left=left)
        raise Mistake("lost", lost=len(lost), orders=len(orders))
    if left:
        raise Mistake("left", left=left)


ERRORS = (AMQPError, NackError, UnroutableError)  # what pika raises for a careful sender
