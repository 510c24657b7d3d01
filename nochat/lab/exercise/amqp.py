"""Connections to RabbitMQ for the judges of notebook 02, and the state of a queue."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from nochat.lab.wire import waiting

QUORUM = {"x-queue-type": "quorum"}


@contextmanager
def connection(url: str) -> Iterator[pika.BlockingConnection]:
    """Yield a connection of its own, without heartbeats."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    opened = pika.BlockingConnection(parameters)
    try:
        yield opened
    finally:
        if opened.is_open:
            opened.close()


@contextmanager
def connected(url: str) -> Iterator[BlockingChannel]:
    """Yield a channel of a connection of its own."""
    with connection(url) as opened:
        yield opened.channel()


def count(of: pika.BlockingConnection, queue: str) -> int | None:
    """Return the number of messages that wait in a queue; None if there is no such queue."""
    # RabbitMQ closes the channel if there is none.
    with suppress(ChannelClosedByBroker), of.channel() as channel:
        return waiting(channel, queue)
    return None
