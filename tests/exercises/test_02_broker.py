"""Exercises 02a and 02b, proved both ways: right answers pass, each mistake is named."""

import sys
import time

import cloudpickle
import pika
import pytest

from nochat.lab import exercise
from nochat.lab.exercise.catalogue import find
from tests.exercises.solutions import solved, stub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# As from a notebook: a process that runs an answer need not import pytest and what tests import.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

# ---- 02a -----------------------------------------------------------------------------------------


def binds(*patterns):
    def bind(channel, queue):
        for pattern in patterns:
            channel.queue_bind(queue, "letters", pattern)

    return bind


def careful(channel, key):
    try:
        channel.basic_publish("letters", key, key.encode(), mandatory=True)
    except pika.exceptions.UnroutableError:
        return False
    return True


def hasty(channel, key):
    channel.basic_publish("letters", key, key.encode())
    return True


def by_return_value(channel, key):
    """Find out by an alternative: whoever is asked first says whether anybody listens."""
    try:
        channel.basic_publish(exchange="letters", routing_key=key, body=key, mandatory=True)
    except pika.exceptions.UnroutableError as error:
        return not error.messages
    else:
        return 1


RIGHT_02A = (binds("town", "town.*.#", "*.sport", "*.*.#.sport"), by_return_value)
WRONG_02A = {
    "untouched": (lambda channel, queue: None, careful),
    "unsent": (binds("town.#", "#.sport"), lambda channel, key: None),
    "star": (binds("town.*", "#.sport"), careful),
    "misses": (binds("town.#"), careful),
    "too_much": (binds("#"), careful),
    "vanished": (binds("town.#", "#.sport"), hasty),
    "denied": (binds("town.#", "#.sport"), lambda *given: careful(*given) and False),
    "failed": (binds("town.#", "#.sport"), lambda channel, key: channel.publish(key)),
}


async def test_the_bindings_of_the_notebook_pass(rabbitmq_server):
    names = solved("02a", pika=pika)
    verdict = await exercise.check("02a", (names["bind"], names["send"]), url=rabbitmq_server.url)
    assert verdict.passed, verdict


async def test_other_bindings_that_fit_the_rule_pass(rabbitmq_server):
    verdict = await exercise.check("02a", RIGHT_02A, url=rabbitmq_server.url)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_02A)
async def test_a_mistake_in_bindings_is_named(mistake, rabbitmq_server):
    verdict = await exercise.check("02a", WRONG_02A[mistake], url=rabbitmq_server.url)
    assert verdict.mistake == mistake, verdict


# ---- 02b -----------------------------------------------------------------------------------------


def with_a_callback(channel, oven):
    def serve(channel, method, properties, body):
        if not oven.has_baked(properties.message_id):
            oven.bake(properties.message_id)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume("orders", serve)
    channel.start_consuming()


def acknowledges_first(channel, oven):
    for _, _, body in channel.consume("orders", auto_ack=True):
        if not oven.has_baked(body.decode()):
            oven.bake(body.decode())


def acknowledges_each_first(channel, oven):
    for method, _, body in channel.consume("orders"):
        channel.basic_ack(method.delivery_tag)
        if not oven.has_baked(body.decode()):
            oven.bake(body.decode())


def remembers_nothing(channel, oven):
    for method, _, body in channel.consume("orders"):
        oven.bake(body.decode())
        channel.basic_ack(method.delivery_tag)


def remembers_until_it_dies(channel, oven):
    baked = set()
    for method, _, body in channel.consume("orders"):
        if body not in baked:
            oven.bake(body.decode())
        baked.add(body)
        channel.basic_ack(method.delivery_tag)


def never_acknowledges(channel, oven):
    channel.basic_qos(prefetch_count=100)
    for _, _, body in channel.consume("orders"):
        if not oven.has_baked(body.decode()):
            oven.bake(body.decode())


def bakes_bytes(channel, oven):
    for method, _, body in channel.consume("orders"):
        if not oven.has_baked(body):
            oven.bake(body)
        channel.basic_ack(method.delivery_tag)


def does_nothing(channel, oven):
    time.sleep(0.1)


def breaks(channel, oven):
    raise LookupError("no flour")


WRONG_02B = {
    "untouched": does_nothing,
    "raw": bakes_bytes,
    "lost": acknowledges_first,
    "twice": remembers_nothing,
    "left": never_acknowledges,
    "failed": breaks,
}


async def test_the_baker_of_the_notebook_passes(rabbitmq_server):
    bake = solved("02b", pika=pika)["bake"]
    verdict = await exercise.check("02b", bake, url=rabbitmq_server.url)
    assert verdict.passed, verdict


async def test_a_baker_who_looks_it_up_passes(rabbitmq_server):
    verdict = await exercise.check("02b", with_a_callback, url=rabbitmq_server.url)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_02B)
async def test_a_mistake_of_a_baker_is_named(mistake, rabbitmq_server):
    verdict = await exercise.check("02b", WRONG_02B[mistake], url=rabbitmq_server.url)
    assert verdict.mistake == mistake, verdict


async def test_a_baker_who_forgets_as_they_die_bakes_twice(rabbitmq_server):
    verdict = await exercise.check("02b", remembers_until_it_dies, url=rabbitmq_server.url)
    assert verdict.mistake == "twice", verdict


@pytest.mark.parametrize("chance", range(3))
async def test_an_ack_before_the_oven_loses_the_order_whichever_it_is(chance, rabbitmq_server):
    verdict = await exercise.check("02b", acknowledges_each_first, url=rabbitmq_server.url)
    assert verdict.mistake == "lost", verdict


@pytest.mark.parametrize("key", ["02a", "02b"])
async def test_the_untouched_cell_is_no_answer(key, rabbitmq_server):
    names = stub(key)
    answer = (names["bind"], names["send"]) if key == "02a" else names["bake"]
    verdict = await exercise.check(key, answer, url=rabbitmq_server.url)
    assert verdict.mistake == "untouched", verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG_02A} == {*find("02a").mistakes}
    assert {*WRONG_02B} == {*find("02b").mistakes}
