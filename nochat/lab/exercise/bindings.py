"""Exercise 02a: bindings for a rule in words."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from nochat.lab.exercise.amqp import connected
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.lab.wire import drain

PLACES = ("town", "village", "harbour", "castle")
PARTS = ("market", "church", "school", "north", "old")
TOPICS = ("sport", "fair", "fish", "weather", "music")
# Wanted for either reason, short and long; and one that nobody wants.
ALWAYS = (
    "town.market.fish",
    "castle.old.north.sport",
    "harbour.sport",
    "town.weather",
    "village.fair",
)
LETTERS = 50
EXCHANGE = "letters"


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
    unsent="Your `bind` is called, and its queue would take {key}; but of {sent} letters for your "
    "`send`, none came to the exchange `letters`. What does `send` publish so far, and to which "
    "exchange?",
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
    chance = random.SystemRandom()
    keys = {_key(chance) for _ in range(4 * LETTERS)}
    sent = [*dict.fromkeys([*ALWAYS, *keys])][:LETTERS]
    with connected(url) as channel:
        channel.exchange_delete(EXCHANGE)
        channel.exchange_declare(EXCHANGE, "topic", auto_delete=True)
        channel.queue_declare("judged", exclusive=True)
        with told("failed"):
            bind(channel, "judged")
        channel.confirm_delivery()
        said = {}
        with told("failed"):
            for key in sent:
                said[key] = send(channel, key)
        if came := {*drain(channel, "judged")}:
            return _compare(sent, came, said)
        # Nothing came: is nothing bound, or was nothing sent?
        for key in sent:
            with suppress(UnroutableError):
                channel.basic_publish(EXCHANGE, key, key.encode(), mandatory=True)
        if taken := drain(channel, "judged"):
            raise Mistake("unsent", key=taken[0], sent=len(sent))
        raise Mistake("untouched", sent=len(sent))


def _compare(sent: list[str], came: set[str], said: dict[str, Any]) -> None:
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
