"""Outgoing envelopes: gathered into few messages, and kept until the broker confirms them."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from nochat.bus.codec import encode, join
from nochat.bus.routing import COMMANDS, EVENTS, Route
from nochat.errors import ConnectionLost
from nochat.protocol.envelope import Envelope, new_id

# Bounds of one message: larger bodies are no faster and delay the others.
MAX_ENVELOPES = 256
MAX_BYTES = 128 * 1024
# Unconfirmed messages of one stream. Few, so that envelopes published meanwhile share a message:
# batches grow with the load, and without load no envelope waits for a timer.
MAX_UNCONFIRMED = 4
MAX_UNCONFIRMED_COMMANDS = 1  # of a shard, whose commands all have the same route

Stream = tuple[str, str]


@dataclass(eq=False)
class Parcel:
    """One message to the broker: consecutive envelopes on the same route."""

    route: Route
    first: Envelope | None = None
    parts: list[bytes] = field(default_factory=list)
    kinds: list[type[Envelope]] = field(default_factory=list)
    size: int = 0
    raw: bytes = b""  # a body to publish unchanged, instead of envelopes
    headers: dict[str, str] = field(default_factory=dict)
    expiration: float = 0.0  # seconds; 0 never expires
    id: str = field(default_factory=new_id)
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def body(self) -> bytes:
        """The message's body: a JSON array."""
        return self.raw or join(self.parts)

    def takes(self, route: Route, size: int) -> bool:
        """Return whether this message has room for another envelope on that route."""
        room = len(self.parts) < MAX_ENVELOPES and self.size + size <= MAX_BYTES
        return room and route == self.route and not self.raw and not self.expiration

    def add(self, envelope: Envelope, encoded: bytes) -> None:
        """Add an envelope, with its encoded bytes."""
        self.first = self.first or envelope
        self.parts.append(encoded)
        self.kinds.append(type(envelope))
        self.size += len(encoded)

    def confirmed(self) -> None:
        """Resolve `done`: the broker has stored the message."""
        if not self.done.done():
            self.done.set_result(None)

    def failed(self, error: Exception) -> None:
        """Fail `done`: the broker refused the message, or its confirm was lost."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # marks it as retrieved: no warning if nobody awaits it


class Link(Protocol):
    """An open channel to the broker."""

    def send(self, parcel: Parcel) -> None:
        """Start sending; `parcel.done` is resolved when the broker confirms."""


def stream_of(route: Route) -> Stream:
    """Return the stream of a route: the messages of a stream are sent in order.

    All events are one stream: a room's events of different types must stay in order. Each shard's
    commands are a stream, so that they do not wait for those of another shard.
    """
    return (EVENTS, "") if route.exchange == EVENTS else (route.exchange, route.key)


class Outbox:
    """A buffer for the messages of one turn of the event loop, sent in order within each stream.

    With `resend`, what was not confirmed when the link broke is sent again on the next one (and may
    then arrive twice). Without, it fails with `ConnectionLost`: for publishers whose right to
    publish ended with the link. `lost` is called when the link breaks, and `confirmed` with the
    types of what the broker has confirmed.
    """

    def __init__(
        self,
        *,
        resend: bool,
        lost: Callable[[Exception], None] = lambda _: None,
        confirmed: Callable[[Iterable[type[Envelope]]], None] = lambda _: None,
    ) -> None:
        self._resend, self._lost, self._confirmed = resend, lost, confirmed
        self._link: Link | None = None
        self._waiting: dict[Stream, deque[Parcel]] = {}
        self._unconfirmed: Counter[Stream] = Counter()
        self._sent: dict[Parcel, None] = {}
        self._due = False

    @property
    def attached(self) -> bool:
        """True while there is a link to send through."""
        return self._link is not None

    def put(self, envelope: Envelope, route: Route) -> asyncio.Future[None]:
        """Queue an envelope; the future is resolved when the broker has confirmed it."""
        encoded = encode(envelope)
        waiting = self._waiting.get(stream_of(route))
        last = waiting[-1] if waiting else None
        if last is None or not last.takes(route, len(encoded)):
            last = Parcel(route)
            self._enqueue(last)
        last.add(envelope, encoded)
        return last.done

    def put_parcel(self, parcel: Parcel) -> asyncio.Future[None]:
        """Queue a message unchanged."""
        self._enqueue(parcel)
        return parcel.done

    def attach(self, link: Link) -> None:
        """Send through this link from now on."""
        self._link = link
        self._flush()

    def detach(self, error: Exception) -> None:
        """Drop the broken link; requeue its unconfirmed messages, or fail them."""
        self._link = None
        self._lost(error)
        parcels = [*self._sent, *(parcel for each in self._waiting.values() for parcel in each)]
        self._sent.clear()
        self._unconfirmed.clear()
        self._waiting.clear()
        for parcel in parcels:
            if self._keeps(parcel):
                self._line_up(parcel)
            else:
                parcel.failed(error)

    def _keeps(self, parcel: Parcel) -> bool:
        return self._resend and not parcel.route.asks and not parcel.done.done()

    def _enqueue(self, parcel: Parcel) -> None:
        if self._link is None and not self._keeps(parcel):
            parcel.failed(ConnectionLost("the connection to the broker is down; try again"))
            return
        self._line_up(parcel)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _line_up(self, parcel: Parcel) -> None:
        self._waiting.setdefault(stream_of(parcel.route), deque()).append(parcel)

    def _flush(self) -> None:
        self._due = False
        for stream in list(self._waiting):
            self._send(stream)

    def _send(self, stream: Stream) -> None:
        waiting = self._waiting.get(stream)
        most = MAX_UNCONFIRMED_COMMANDS if stream[0] == COMMANDS else MAX_UNCONFIRMED
        while self._link and waiting and self._unconfirmed[stream] < most:
            parcel = waiting.popleft()
            self._sent[parcel] = None
            self._unconfirmed[stream] += 1
            parcel.done.add_done_callback(lambda _, p=parcel: self._settled(p))  # type: ignore[misc]
            self._link.send(parcel)
        if not waiting:
            self._waiting.pop(stream, None)

    def _settled(self, parcel: Parcel) -> None:
        if parcel in self._sent:
            del self._sent[parcel]
            if not (parcel.done.cancelled() or parcel.done.exception()):
                self._confirmed(parcel.kinds)
            stream = stream_of(parcel.route)
            self._unconfirmed[stream] -= 1
            if self._unconfirmed[stream] <= 0:
                del self._unconfirmed[stream]
            self._send(stream)
