"""Exercise 02c, proved both ways: right answers pass, each mistake is named."""

import re
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

DELAY = 0.2  # seconds
QUORUM = {"x-queue-type": "quorum"}


async def judged(answer, server):
    return await exercise.check("02c", answer, url=server.url, delay=DELAY)


def declare(channel, delay, **of_tickets):
    """Declare the queues: what waits in `later` goes back to `tickets` by itself."""
    channel.queue_declare("tickets", durable=True, arguments=QUORUM | of_tickets)
    channel.queue_declare("given-up", durable=True, arguments=QUORUM)
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "tickets"}
    ttl = {"x-message-ttl": int(1000 * delay)}
    channel.queue_declare("later", durable=True, arguments=QUORUM | back | ttl)


def by_dead_letters(channel, stove, delay):
    """Let RabbitMQ move the order round, and count: nothing is published until it is given up."""
    to_later = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "later"}
    declare(channel, delay, **to_later)
    for method, properties, body in channel.consume("tickets"):
        deaths = (properties.headers or {}).get("x-death", [])
        rested = sum(death["count"] for death in deaths if death["queue"] == "later")
        try:
            stove.cook(body.decode())
        except ValueError:
            if rested < 2:
                channel.basic_reject(method.delivery_tag, requeue=False)
                continue
            channel.basic_publish("", "given-up", body)
        channel.basic_ack(method.delivery_tag)


def counting(first=1, most=3, bins=True, after_bin=False, acks_good=True):
    """Make a cook who counts in a header, with a mistake or two."""

    def serve(channel, stove, delay):
        declare(channel, delay)
        for method, properties, body in channel.consume("tickets"):
            tries = (properties.headers or {}).get("tries", first)
            good = False
            try:
                stove.cook(body.decode())
                good = True
            except ValueError:
                if tries < most or after_bin:
                    properties.headers = {"tries": tries + 1}
                    channel.basic_publish("", "later", body, properties)
                if tries >= most and bins:
                    channel.basic_publish("", "given-up", body)
            if acks_good or not good:
                channel.basic_ack(method.delivery_tag)

    return serve


def does_nothing(channel, stove, delay):
    pass


def does_not_catch(channel, stove, delay):
    declare(channel, delay)
    for _, _, body in channel.consume("tickets"):
        stove.cook(body.decode())


def rests_for_a_fraction(channel, stove, delay):
    channel.queue_declare("tickets", durable=True, arguments={"x-message-ttl": 1000 * delay})


def cooks_bytes(channel, stove, delay):
    declare(channel, delay)
    for method, _, body in channel.consume("tickets"):
        stove.cook(body)
        channel.basic_ack(method.delivery_tag)


def not_durable(channel, stove, delay):
    channel.queue_declare("tickets")


def puts_back(channel, stove, delay):
    declare(channel, delay)
    for method, _, body in channel.consume("tickets"):
        try:
            stove.cook(body.decode())
        except ValueError:
            channel.basic_nack(method.delivery_tag)
        else:
            channel.basic_ack(method.delivery_tag)


def leaves_it_to_the_limit(channel, stove, delay):
    limit = {"x-delivery-limit": 2, "x-dead-letter-exchange": ""}
    declare(channel, delay, **limit, **{"x-dead-letter-routing-key": "given-up"})
    for method, _, body in channel.consume("tickets"):
        try:
            stove.cook(body.decode())
        except ValueError:
            channel.basic_reject(method.delivery_tag)
        else:
            channel.basic_ack(method.delivery_tag)


def sleeps(channel, stove, delay):
    declare(channel, delay)
    for method, _, body in channel.consume("tickets"):
        for tries in [1, 2, 3]:
            try:
                stove.cook(body.decode())
                break
            except ValueError:
                if tries == 3:
                    channel.basic_publish("", "given-up", body)
                else:
                    time.sleep(delay)
        channel.basic_ack(method.delivery_tag)


def sleeps_and_sends_to_the_end(channel, stove, delay):
    declare(channel, delay)
    for method, properties, body in channel.consume("tickets"):
        tries = (properties.headers or {}).get("tries", 1)
        try:
            stove.cook(body.decode())
        except ValueError:
            time.sleep(delay)
            properties.headers = {"tries": tries + 1}
            to = "tickets" if tries < 3 else "given-up"
            channel.basic_publish("", to, body, properties)
        channel.basic_ack(method.delivery_tag)


def counts_in_x_death_of_what_it_publishes(channel, stove, delay):
    declare(channel, delay)
    for method, properties, body in channel.consume("tickets"):
        deaths = (properties.headers or {}).get("x-death", [{"count": 0}])
        try:
            stove.cook(body.decode())
        except ValueError:
            to = "later" if deaths[0]["count"] < 2 else "given-up"
            channel.basic_publish("", to, body, properties)
        channel.basic_ack(method.delivery_tag)


def counts_in_memory(channel, stove, delay):
    declare(channel, delay)
    tries = {}
    for method, _, body in channel.consume("tickets"):
        try:
            stove.cook(body.decode())
        except ValueError:
            tries[body] = tries.get(body, 0) + 1
            channel.basic_publish("", "later" if tries[body] < 3 else "given-up", body)
        channel.basic_ack(method.delivery_tag)


def throws_away_too_little(channel, stove, delay):
    """Publish the order to the bin whatever came of it."""
    declare(channel, delay)
    for method, properties, body in channel.consume("tickets"):
        tries = (properties.headers or {}).get("tries", 1)
        to = "given-up"
        try:
            stove.cook(body.decode())
        except ValueError:
            properties.headers = {"tries": tries + 1}
            to = "later" if tries < 3 else "given-up"
        channel.basic_publish("", to, body, properties)
        channel.basic_ack(method.delivery_tag)


WRONG = {
    "untouched": does_nothing,
    "failed": does_not_catch,
    "fraction": rests_for_a_fraction,
    "raw": cooks_bytes,
    "transient": not_durable,
    "spins": puts_back,
    "busy": leaves_it_to_the_limit,
    "holds_up": sleeps,
    "more": counting(first=0),
    "fewer": counting(most=2),
    "lost": counting(bins=False),
    "again": throws_away_too_little,
    "left": counting(acks_good=False),
    "forgets": counts_in_memory,
}


async def test_the_cook_of_the_notebook_passes(rabbitmq_server):
    verdict = await judged(solved("02c", pika=pika)["serve"], rabbitmq_server)
    assert verdict.passed, verdict


async def test_a_cook_who_lets_rabbitmq_count_passes(rabbitmq_server):
    verdict = await judged(by_dead_letters, rabbitmq_server)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_of_a_cook_is_named(mistake, rabbitmq_server):
    verdict = await judged(WRONG[mistake], rabbitmq_server)
    assert verdict.mistake == mistake, verdict


async def test_who_waits_for_an_order_is_another_one(rabbitmq_server):
    verdict = await judged(sleeps, rabbitmq_server)
    assert re.search(r"everybody waited: soup-\d+ came", verdict.said), verdict


async def test_a_cook_who_sleeps_between_two_orders_holds_up_others(rabbitmq_server):
    verdict = await judged(sleeps_and_sends_to_the_end, rabbitmq_server)
    assert verdict.mistake == "holds_up", verdict


async def test_a_count_that_newer_versions_forget_is_none_on_older_ones(rabbitmq_server):
    verdict = await judged(counts_in_x_death_of_what_it_publishes, rabbitmq_server)
    assert verdict.mistake == "more", verdict


async def test_an_order_given_up_and_tried_again_was_tried_too_often(rabbitmq_server):
    verdict = await judged(counting(after_bin=True), rabbitmq_server)
    assert verdict.mistake == "more", verdict


async def test_the_untouched_cell_is_no_answer(rabbitmq_server):
    verdict = await judged(stub("02c")["serve"], rabbitmq_server)
    assert verdict.mistake == "untouched", verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG} == {*find("02c").mistakes}
