"""Exercise 02c: a poison message is tried again later, three times, and holds up nobody."""

import asyncio
import copy
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, UnsupportedAMQPFieldException

from nochat.lab.exercise import workers
from nochat.lab.exercise.amqp import connected, connection, count
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.notes import Notes
from nochat.local.processes import until

QUEUE, BIN = "tickets", "given-up"
TRIES = 3
FRACTION = UnsupportedAMQPFieldException.__name__
ENDLESS = 10  # tries
SHORT = 0.9  # of the pause: clocks differ a little
STARTING, STALLED = 15.0, 4.0  # seconds


@dataclass(frozen=True)
class Stove:
    """A stove that notes in a file what was tried on it, and when.

    Args:
        notes: the file.
        bad: the orders that nobody can cook.
        deadly: the one of them that kills its cook at the second try.
    """

    notes: Notes
    bad: frozenset[str]
    deadly: str

    def cook(self, order: str) -> None:
        """Cook an order.

        Raises:
            ValueError: nobody can cook this.
        """
        self.notes.add(f"{time.time():.4f} {order}")
        if order == self.deadly and sum(line.endswith(order) for line in self.notes.lines()) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if order in self.bad:
            raise ValueError(f"nobody can cook {order!r}")


@dataclass(frozen=True)
class Try:
    """One try to cook an order."""

    at: float
    order: str


@exercise(
    "02c",
    "a failed order is tried again later, three times in all, and nobody waits for it",
    untouched="No order was tried on the stove. Declare the queue `tickets` in your `serve`, take "
    "its messages, and give each to `stove.cook`.",
    failed="Your `serve` ended with an error: {error}",
    fraction="Your `serve` ended, as a queue has an argument that pika can't send: {error}. "
    "RabbitMQ takes whole milliseconds. What is `1000 * delay`, where `delay` is 0.5?",
    raw="The stove was given {cooked}, and the order was {order}. A message's body is bytes. What "
    "makes text of it?",
    transient="The queue {queue!r} would not survive: it is declared without `durable=True`, or "
    "belongs to one connection. What becomes of its orders when the broker or your cook restarts? "
    "(RabbitMQ 4.3 refuses queues that are neither durable nor exclusive.)",
    spins="{order} was tried {times} times without a pause, and no end is in sight. `nack` puts a "
    "message back at once, and since RabbitMQ 4.3 no queue counts that. Who could hold the order "
    "for a while, and who counts?",
    busy="Only {pause:.2f} s lay between two tries of {order}; it should rest for {delay:g} s. "
    "Where can a message lie until its time has come?",
    holds_up="While {order} waited for its next try, everybody waited: {other} came {pause:.2f} s "
    "later. Your `serve` has more to do than to wait. Which part of RabbitMQ could do that?",
    more="{order} was tried {times} times instead of 3. Who counts the tries, from which number? "
    "(Since RabbitMQ 4.0, `x-death` begins anew for a message that you publish yourself.)",
    fewer="{order} lies in `given-up` after {times} of 3 tries. Which number does your count "
    "begin with?",
    lost="{order} was tried {times} times, and then it was gone: it is not in `given-up`. Follow "
    "it from queue to queue. Does each one know where its messages go next?",
    again="{order} was cooked well, and {what}. Which line takes an order out of `tickets` when "
    "all went well?",
    left="{order} came again when your cook was killed, although it had been dealt with long "
    "before. What does RabbitMQ wait for before it forgets a message?",
    forgets="{order} was tried {times} times, for your cook was killed during the second one. "
    "Where is the number of tries written down, and who else can read it there?",
)
async def retries(
    answer: Callable[[BlockingChannel, Stove, float], Any], *, url: str, delay: float = 0.5
) -> None:
    """Judge `serve(channel, stove, delay)` by the times of the tries, and by the last queue."""
    await asyncio.to_thread(_judge, answer, url, delay)


def _judge(serve: Any, url: str, delay: float) -> None:
    if not callable(serve):
        raise Mistake("untouched")
    chance = random.SystemRandom()
    good, (deadly, *bad) = _names(chance, "soup", 3), _names(chance, "stone", 4)
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as name, connection(url) as own:
        stove = Stove(Notes(Path(name) / "stove"), frozenset([deadly, *bad]), deadly)
        kitchen = _Kitchen(Path(name), serve, url, delay, own, stove)
        kitchen.remove_queues()
        try:
            _judge_pauses(kitchen, good, bad)
            _judge_memory(kitchen, deadly)
        finally:
            kitchen.remove_queues()


def _names(chance: random.Random, dish: str, count: int) -> list[str]:
    return [f"{dish}-{number}" for number in chance.sample(range(100, 1000), count)]


class _Kitchen:
    """The queues, the cook's process, and what the judge knows of them."""

    def __init__(
        self,
        folder: Path,
        serve: Any,
        url: str,
        delay: float,
        own: pika.BlockingConnection,
        stove: Stove,
    ) -> None:
        self.delay, self.folder = delay, folder
        self.stove, self.declared = stove, Notes(folder / "declared")
        self._own, self._work = own, (_work, serve, url, self.stove, delay, self.declared)
        self.given_up: list[str] = []
        self._ordered = 0.0

    @contextmanager
    def cook(self) -> Iterator[Callable[[Callable[[], Any]], None]]:
        """Let the cook work until the block ends; yield a function that waits for a condition."""
        cook = workers.start(self.folder, *self._work)

        def wait(wanted: Callable[[], Any]) -> None:
            until(lambda: wanted() or not cook.alive or self._is_stalled(), pause=0.01)

        try:
            wait(lambda: count(self._own, QUEUE) is not None and self._has_declared())
            self._refuse_transient()
            yield wait
            self._refuse_transient()
            if error := workers.error(self.folder):
                code = "fraction" if error.startswith(FRACTION) else "failed"
                raise Mistake(code, error=error)
        finally:
            cook.kill()
            cook.stop()

    def _is_stalled(self) -> bool:
        began, noted = workers.begun(self.folder), self.stove.notes.written
        at_work = noted > max(began, self._ordered)
        patience = STALLED + 2 * self.delay if at_work else STARTING
        return bool(began) and time.time() - max(began, noted, self._ordered) > patience

    def order(self, *orders: str) -> None:
        """Send orders."""
        with self._own.channel() as channel:
            for order in orders:
                channel.basic_publish("", QUEUE, order.encode())
        self._ordered = time.time()

    def tries(self) -> list[Try]:
        """Return the tries so far, in order."""
        words = (line.split(" ", 1) for line in self.stove.notes.lines())
        return [Try(float(at), order) for at, order in words]

    def times(self, order: str) -> int:
        """Count the tries of an order."""
        return sum(1 for each in self.tries() if each.order == order)

    def look_into_bin(self) -> list[str]:
        """Return the orders that were given up so far."""
        if count(self._own, BIN):
            with self._own.channel() as channel:
                taken = iter(lambda: channel.basic_get(BIN, auto_ack=True)[2], None)
                self.given_up += [body.decode(errors="replace") for body in taken]
        return self.given_up

    def remove_queues(self) -> None:
        """Delete the queues, and what else the answer has declared."""
        for queue in {QUEUE, BIN, *filter(None, self._declared("queue"))}:
            with self._own.channel() as channel:
                channel.queue_delete(queue)
        for exchange in self._declared("exchange"):
            # RabbitMQ refuses to delete its own ones.
            with suppress(ChannelClosedByBroker), self._own.channel() as channel:
                channel.exchange_delete(exchange)

    def _declared(self, what: str) -> list[str]:
        parts = [line.split(" ", 2) for line in self.declared.lines()]
        return [name for kind, _, name in parts if kind == what]

    def _has_declared(self) -> bool:
        """Return whether no declaration is under way: a queue that is half made loses messages."""
        return len(self._declared("queue")) == len(self._declared("done"))

    def _refuse_transient(self) -> None:
        for line in self.declared.lines():
            _, how, name = line.split(" ", 2)
            if how == "transient":
                raise Mistake("transient", queue=name)


def _work(serve: Any, url: str, stove: Stove, delay: float, declared: Notes) -> None:
    with connected(url) as channel:
        _watch(channel, declared)
        serve(channel, stove, delay)


def _watch(channel: BlockingChannel, declared: Notes) -> None:
    """Note what is declared, and let each version of RabbitMQ do as the newest one does."""
    queue_declare, exchange_declare = channel.queue_declare, channel.exchange_declare
    basic_publish = channel.basic_publish

    def declare(
        queue: str,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        *more: Any,
        **rest: Any,
    ) -> Any:
        kept = passive or durable or (exclusive and queue not in (QUEUE, BIN))
        declared.add(f"queue {'kept' if kept else 'transient'} {queue}")
        result = queue_declare(queue, passive, durable, exclusive, *more, **rest)
        declared.add(f"done - {queue}")
        return result

    def declare_exchange(exchange: str, *more: Any, **rest: Any) -> Any:
        declared.add(f"exchange kept {exchange}")
        return exchange_declare(exchange, *more, **rest)

    def publish(
        exchange: str, routing_key: str, body: Any, properties: Any = None, *more: Any, **rest: Any
    ) -> Any:
        # RabbitMQ 3 goes on counting where a client publishes `x-death`; 4 does not.
        if properties and properties.headers and "x-death" in properties.headers:
            properties = copy.copy(properties)
            properties.headers = {**properties.headers}
            del properties.headers["x-death"]
        return basic_publish(exchange, routing_key, body, properties, *more, **rest)

    vars(channel).update(
        queue_declare=declare, exchange_declare=declare_exchange, basic_publish=publish
    )


# ---- the verdict ---------------------------------------------------------------------------------


def _judge_pauses(kitchen: _Kitchen, good: list[str], bad: list[str]) -> None:
    """Judge a cook whom nobody disturbs."""
    with kitchen.cook() as wait:
        kitchen.order(*(order for pair in zip(bad, good, strict=True) for order in pair))
        wait(lambda: _is_done(kitchen, good, bad) or _most(kitchen, bad) >= ENDLESS)
        # Whoever has given up an order, and tries it again all the same, does it by now.
        until(lambda: _most(kitchen, bad) > TRIES, 1.5 * kitchen.delay, pause=0.02)
    if not kitchen.tries():
        raise Mistake("untouched")
    if raw := [each.order for each in kitchen.tries() if each.order.startswith("b'")]:
        raise Mistake("raw", cooked=raw[0], order=raw[0][2:-1])
    _compare_pauses(kitchen, bad)
    for order in bad:
        _compare_tries(kitchen, order)
    for order in good:
        _compare_good(kitchen, order)


def _is_done(kitchen: _Kitchen, good: list[str], bad: list[str]) -> bool:
    return {*bad} <= {*kitchen.look_into_bin()} and {*good} <= _tried(kitchen)


def _tried(kitchen: _Kitchen) -> set[str]:
    return {each.order for each in kitchen.tries()}


def _most(kitchen: _Kitchen, orders: list[str]) -> int:
    return max(map(kitchen.times, orders))


def _compare_pauses(kitchen: _Kitchen, bad: list[str]) -> None:
    tries, enough = kitchen.tries(), SHORT * kitchen.delay
    for order in bad:
        times = [each.at for each in tries if each.order == order]
        pause = min((later - sooner for sooner, later in pairwise(times)), default=enough)
        if pause < enough:
            code = "spins" if len(times) >= ENDLESS else "busy"
            raise Mistake(code, order=order, times=len(times), pause=pause, delay=kitchen.delay)
    # Who sleeps after a failure does so each time; who does not is slow by chance, and not always.
    after = [
        (following.at - each.at, each.order, following.order)
        for each, following in _firsts(tries, bad)
    ]
    if after and min(after)[0] >= enough:
        pause, order, other = min(after)
        raise Mistake("holds_up", order=order, other=other, pause=pause)


def _firsts(tries: list[Try], orders: list[str]) -> Iterator[tuple[Try, Try]]:
    """Yield the first try of each order, and the next try of another order."""
    seen = set()
    for at, each in enumerate(tries):
        others = (one for one in tries[at:] if one.order != each.order)
        if each.order in orders and each.order not in seen and (following := next(others, None)):
            yield each, following
        seen.add(each.order)


def _compare_tries(kitchen: _Kitchen, order: str) -> None:
    times, is_given_up = kitchen.times(order), order in kitchen.given_up
    if times > TRIES:
        raise Mistake("more", order=order, times=times)
    if not is_given_up:
        raise Mistake("lost", order=order, times=times)
    if times < TRIES:
        raise Mistake("fewer", order=order, times=times)


def _compare_good(kitchen: _Kitchen, order: str) -> None:
    times = kitchen.times(order)
    if not times:
        raise Mistake("lost", order=order, times=0)
    if order in kitchen.given_up:
        raise Mistake("again", order=order, what="lies in `given-up` all the same")
    if times > 1:
        raise Mistake("again", order=order, what=f"then came again, {times} times in all")


def _judge_memory(kitchen: _Kitchen, deadly: str) -> None:
    """Judge a cook who is killed in the middle of a try, and the next one."""
    before = len(kitchen.tries())
    with kitchen.cook() as wait:
        kitchen.order(deadly)
        wait(lambda: kitchen.times(deadly) >= 2)
    with kitchen.cook() as wait:
        wait(lambda: deadly in kitchen.look_into_bin() or kitchen.times(deadly) >= ENDLESS)
    if again := [each.order for each in kitchen.tries()[before:] if each.order != deadly]:
        raise Mistake("left", order=again[0])
    times = kitchen.times(deadly)
    if times > TRIES + 1:  # nobody could know what came of the second one
        raise Mistake("forgets", order=deadly, times=times)
    if deadly not in kitchen.given_up:
        raise Mistake("lost", order=deadly, times=times)
