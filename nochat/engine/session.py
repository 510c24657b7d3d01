"""A client's Engine.IO session, which continues when long polling is upgraded to a websocket."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nochat.engine.packets import SEPARATOR, Outgoing

if TYPE_CHECKING:
    from nochat.engine.engine import EngineIO
    from nochat.engine.namespace import Socket
    from nochat.engine.websocket import WebSocket

COST = 100  # bytes that a packet counts for beyond its own size
CLOSE, NOOP, PROBED = (Outgoing(packet) for packet in (b"1", b"6", b"3probe"))


def _nowhere(frames: bytes) -> None:
    """Discard frames: there is no websocket."""


class EngineSession:
    """One client of Engine.IO.

    Attributes:
        id: the session id in its requests.
        scope: the ASGI scope of the request that opened it.
        info: the guard's data about it.
        sockets: its Socket.IO sockets, by namespace.
        partial: a packet that waits for more attachments.
        pending: packets for the client, in order, until this turn of the event loop ends.
        due: whether the outbox will flush it.
        dismissed: whether a socket on it was disconnected; its client may send for a moment more.
        overdue: deadline for the answer to the last ping; 0 if it was answered.
        closed: whether the session is over.
        channel: the websocket; while there is none, or it is `probing`, the client polls.
        write: writes frames to it.
        paused: whether polls get no packets, as the client is about to change to the websocket.
        posting: whether a POST of the client is in progress.
    """

    __slots__ = (
        "_busy", "_deadline", "_engine", "_farewell", "_free", "_poll", "_queue", "_waiting",
        "channel", "closed", "dismissed", "due", "id", "info", "overdue", "partial",
        "paused", "pending", "posting", "probing", "scope", "sockets", "write",
    )  # fmt: skip

    def __init__(self, engine: "EngineIO", scope: Any) -> None:
        self._engine, self.scope = engine, scope
        self.id = secrets.token_urlsafe(15)
        self.info: Any = None
        self.sockets: dict[str, Socket] = {}
        self.partial: Any = None
        self.pending: list[Outgoing] = []
        self._queue: list[Outgoing] = []  # for the next poll
        self._waiting = 0  # bytes in it
        self.overdue, self.closed, self.due = 0.0, False, False
        self.probing, self.paused, self.posting = False, False, False
        self._farewell, self.dismissed = CLOSE, False
        self.channel: WebSocket | None = None
        self.write: Callable[[bytes], object] = _nowhere
        self._busy = 0
        self._free: asyncio.Future[None] | None = None
        self._poll: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def expect(self, seconds: float | None, why: str = "") -> None:
        """Evict the session after some seconds, unless called again; None cancels the deadline."""
        if self._deadline:
            self._deadline.cancel()
        soon = asyncio.get_running_loop().call_later
        self._deadline = None if seconds is None else soon(seconds, self.evict, why)

    # ---- to the client --------------------------------------------------------------------------

    def send(self, packets: list[Outgoing]) -> None:
        """Send packets at the end of this turn of the event loop."""
        self._engine.outbox.put((self,), packets)

    def flush(self) -> None:
        """Write the pending packets to the websocket, or release the waiting poll with them."""
        packets = self.pending
        if self.channel and not self.probing:
            if packets:
                one = len(packets) == 1
                self.write(packets[0].frame if one else b"".join([it.frame for it in packets]))
                packets.clear()
                if self.channel.stalled:
                    self._bound(self.channel.waiting)
        elif packets and not self.closed:
            self._queue += packets
            self._waiting += sum(COST + len(packet.data) for packet in packets)
            packets.clear()
            self._release()
            self._bound(self._waiting)

    def _bound(self, waiting: int) -> None:
        if waiting > self._engine.most_backlog:
            self._engine.guard.slow(self, waiting)
            self.evict()

    def _release(self) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(None)

    async def poll(self) -> bytes:
        """Wait for packets; return the body of the answer to a poll.

        Raises:
            ValueError: another poll is waiting, which ends the session.
        """
        if self._poll:
            self.close("transport error")
            raise ValueError("two polls at once")
        self.flush()
        if not (self._queue or self.paused or self.closed):
            self._poll = asyncio.get_running_loop().create_future()
            try:
                await self._poll
            finally:
                self._poll = None
        packets = [NOOP] if self.paused else self._take_queue()
        packets += [self._farewell] if self.closed else [] if packets else [NOOP]
        return SEPARATOR.join([packet.data for packet in packets])

    def _take_queue(self) -> list[Outgoing]:
        packets, self._queue, self._waiting = self._queue, [], 0
        return packets

    # ---- from the client ------------------------------------------------------------------------

    async def take(self, packets: list[bytes]) -> None:
        """Handle the packets of a long-polling POST, with backpressure.

        Raises:
            ValueError: a packet is malformed, which ends the session.
        """
        for packet in packets:
            if self._busy >= self._engine.most_at_once:
                self._free = asyncio.get_running_loop().create_future()
                await self._free
            binary = packet[:1] == b"b"
            data = base64.b64decode(packet[1:], validate=True) if binary else packet
            if not self.receive(data, binary=binary):
                raise ValueError("a packet that can't be read")

    def receive(self, packet: bytes, *, binary: bool = False) -> bool:
        """Handle a packet; return False for a malformed one, which ends the session."""
        if self.closed:
            return True
        engine = self._engine
        try:
            engine.guard.packet(self, packet, binary)
            if binary:
                engine.on_message(self, packet, True)
            elif packet[:1] == b"4":
                engine.on_message(self, packet[1:], False)
            elif packet == b"3":
                if self.overdue:
                    engine.heartbeat.expect(self)
            elif packet == b"1":
                self._farewell = NOOP  # the client itself closes
                self.close("transport close")
            else:
                raise ValueError("a packet of a kind that clients do not send")
        except (ValueError, RecursionError) as error:
            self.evict(str(error))
            return False
        return True

    def upgrade(self, packet: bytes) -> None:
        """Handle a packet of an upgrade from polling to a websocket.

        Raises:
            ValueError: the packet is not part of an upgrade.
        """
        if packet == b"2probe" and self.channel and not self.paused:
            self.paused = True
            self.write(PROBED.frame)
            self._release()
        elif packet == b"5" and self.paused:
            self.probing = self.paused = False
            self.pending[:0] = self._take_queue()
            self.flush()
        else:
            raise ValueError("not a packet of an upgrade")

    def lost(self, channel: "WebSocket") -> None:
        """Handle the end of a websocket: close the session, unless its upgrade was not complete."""
        if channel is self.channel:
            self.channel, self.write = None, _nowhere
            if not self.probing:
                self.close("transport close")
            self.probing = self.paused = False

    def count(self, by: int) -> None:
        """Change the number of the client's events in progress; with too many, pause reading."""
        most, before, self._busy = self._engine.most_at_once, self._busy, self._busy + by
        if self.channel and (before < most) != (self._busy < most):
            self.channel.pause(self._busy >= most)
        if self._free and self._busy < most:
            self._free.set_result(None)
            self._free = None

    # ---- the end --------------------------------------------------------------------------------

    def evict(self, why: str = "") -> None:
        """End the session at once, and discard the packets for the client."""
        if not self.closed:
            if why:
                self._engine.guard.evicted(self, why)
            self.pending.clear()
            self._take_queue()
            self.close("transport error", at_once=True)

    def close(self, reason: str, *, at_once: bool = False) -> None:
        """End the session; unless `at_once`, send the pending packets first."""
        if self.closed:
            return
        if not at_once:
            self.flush()
        self.closed = True
        self.expect(None)
        self._engine.forget(self, reason)
        self._release()
        channel, self.channel, self.write = self.channel, None, _nowhere
        if channel:
            channel.close(at_once=at_once)
