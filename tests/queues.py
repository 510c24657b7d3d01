"""Queues that tests leave in a RabbitMQ that they share."""

from collections.abc import Iterable

import pika

from nochat.bus.routing import DEAD_LETTERS, EXCHANGES
from nochat.runtime import registry
from nochat.settings import Settings


def of_the_chat() -> set[str]:
    """The queues that any process of the chat declares when it starts."""
    settings = Settings()
    services = registry.services(registry.names(settings))
    queues = (queue for service in services for queue in service.queues(settings))
    return {queue.name for queue in queues if queue.durable} | {DEAD_LETTERS.name}


def delete(url: str, names: Iterable[str], *, exchanges: Iterable[str] = ()) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for name in names:
            channel.queue_delete(name)
        for name in exchanges:
            channel.exchange_delete(name)


def forget(url: str) -> None:
    """Delete the chat's queues, and its exchanges: no other queue is bound to anything then."""
    delete(url, of_the_chat(), exchanges=EXCHANGES)
