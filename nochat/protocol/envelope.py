"""The envelope: id, cause and time of every message on the bus.

On the wire, each is a JSON object with its `type`; one AMQP message can hold several, as an array.
"""

import os
import time
from contextvars import ContextVar, Token
from typing import ClassVar

import msgspec
from msgspec import field

from nochat.protocol.fields import Moment

_correlation: ContextVar[str] = ContextVar("correlation_id", default="")


_drawn: list[str] = []  # identifiers that nobody has yet: one call of the system draws many
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)  # or parent and child would have the same


def new_id() -> str:
    """Make a random identifier: 128 bits as 32 hexadecimal digits."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            drawn = os.urandom(16 * 64).hex()
            _drawn.extend([drawn[at : at + 32] for at in range(0, len(drawn), 32)])


class Cause:
    """A block in which everything that is made gets the same correlation id."""

    __slots__ = ("_id", "_token")

    def __init__(self, correlation_id: str) -> None:
        self._id = correlation_id

    def __enter__(self) -> None:
        self._token: Token[str] = _correlation.set(self._id)

    def __exit__(self, *_: object) -> None:
        _correlation.reset(self._token)


def caused_by(correlation_id: str) -> Cause:
    """Give everything that is made inside the same correlation id."""
    return Cause(correlation_id)


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
