"""The envelope: id, cause and time of every message on the bus.

On the wire, each is a JSON object with its `type`; one AMQP message can hold several, as an array.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar

import msgspec
from msgspec import field

from nochat.protocol.fields import Moment

_correlation: ContextVar[str] = ContextVar("correlation_id", default="")


def new_id() -> str:
    """Return a random identifier: 128 bits as 32 hexadecimal digits."""
    return os.urandom(16).hex()


@contextmanager
def caused_by(correlation_id: str) -> Iterator[None]:
    """Set the correlation id of all envelopes that are created in the block."""
    token = _correlation.set(correlation_id)
    try:
        yield
    finally:
        _correlation.reset(token)


def correlation() -> str:
    """Return the correlation id that `caused_by` has set; empty outside of it."""
    return _correlation.get()


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all messages on the bus: an id, a cause, and a time (seconds since 1970)."""

    secret: ClassVar[frozenset[str]] = frozenset({"password", "new_password", "token"})

    id: str = field(default_factory=new_id)
    correlation_id: str = field(default_factory=lambda: _correlation.get() or new_id())
    at: Moment = field(default_factory=time.time)

    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name in self.secret else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def type_of(struct: type[Envelope]) -> str:
    """Return the `type` of a struct on the wire, which is also an event's routing key."""
    return str(struct.__struct_config__.tag)
