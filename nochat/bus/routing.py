"""The exchange and routing key of each struct, and the definitions of the queues."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from nochat.protocol.commands import Command
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.events import Event
from nochat.protocol.requests import Request

COMMANDS = "nochat.commands"
EVENTS = "nochat.events"
REQUESTS = "nochat.requests"
DEAD = "nochat.dead"
DEFAULT = ""
EXCHANGES = {COMMANDS: "direct", EVENTS: "topic", REQUESTS: "direct", DEAD: "fanout"}


class Route(NamedTuple):
    """The destination of a message, and its delivery options.

    Attributes:
        exchange: name of the exchange; empty is the default one, which routes to a queue by name.
        key: routing key.
        durable: written to disk before it is confirmed.
        mandatory: an error if no queue takes it.
        asks: a reply is expected.
    """

    exchange: str
    key: str
    durable: bool = True
    mandatory: bool = False
    asks: bool = False


class Binding(NamedTuple):
    """A rule that sends an exchange's messages with a routing key to a queue."""

    exchange: str
    key: str


@dataclass(frozen=True)
class Queue:
    """A queue that a service consumes.

    Attributes:
        name: its name; an exclusive queue gets a unique name.
        bindings: the rules that route messages to it.
        durable: its messages survive a restart until they are handled or dead-lettered; otherwise
            they are useful only while the sender waits for the reply.
        exclusive: belongs to this connection, and is deleted with it.
        single_active_consumer: one consumer is active and the others stand by, to keep the order.
    """

    name: str
    bindings: tuple[Binding, ...] = ()
    durable: bool = True
    exclusive: bool = False
    single_active_consumer: bool = False


DEAD_LETTERS = Queue("dead-letters", (Binding(DEAD, ""),))


def shard_of(room: str, shards: int) -> int:
    """Return the shard (0 … shards-1) of a room; every process computes the same one."""
    return zlib.crc32(room.encode()) % shards


def shard_queue(shard: int) -> Queue:
    """Return the queue of the commands for one shard of the rooms."""
    name = f"controller.{shard}"
    return Queue(name, (Binding(COMMANDS, name),), single_active_consumer=True)


@lru_cache(maxsize=4096)
def _command_route(room: str, shards: int) -> Route:
    return Route(COMMANDS, f"controller.{shard_of(room, shards)}", mandatory=True)


@lru_cache(maxsize=256)
def _route_of_type(kind: type[Envelope]) -> Route:
    if issubclass(kind, Event):
        return Route(EVENTS, type_of(kind), durable=kind.stored)
    if issubclass(kind, Request):
        key = kind.service if kind.ordered else f"{kind.service}.{kind.lane}"
        return Route(REQUESTS, key, durable=False, mandatory=True, asks=True)
    raise TypeError(f"{kind.__name__} is neither a command, an event nor a request")


def route(envelope: Envelope, shards: int) -> Route:
    """Return the route of an envelope; the rooms are spread over `shards` queues."""
    if isinstance(envelope, Command):
        return _command_route(envelope.room, shards)
    return _route_of_type(type(envelope))
