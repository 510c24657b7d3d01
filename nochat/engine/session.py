"""A client's Engine.IO session: it goes on when long polling changes to a websocket."""

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

COST = 100  # bytes that a packet counts for beside its own
CLOSE, NOOP, PROBED = (Outgoing(packet) for packet in (b"1", b"6", b"3probe"))


def _nowhere(frames: bytes) -> None:
    """Write to no websocket."""


class EngineSession:
    """One client of Engine.IO.

    Attributes:
        id: what its requests name it by.
        scope: the request that opened it, as ASGI has it.
        info: what the guard keeps of it.
        sockets: those of Socket.IO on it, by namespace.
        partial: a packet whose attachments have not all come.
        pending: packets for the client, in order, until this turn of the event loop ends.
        due: whether the outbox knows of them.
        dismissed: whether a socket on it was disconnected; its client may send for a moment more.
        overdue: when the last ping's answer is too late; 0: it was answered.
        closed: whether the session is over.
        channel: the websocket; while there is none, or it is `probing`, the client polls.
        write: writes frames to it.
        paused: whether polls get nothing, as the client is about to change to the websocket.
        posting: whether a request of the client with packets is under way.
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
        """End the session after some seconds, unless called again; None: never."""
        if self._deadline:
            self._deadline.cancel()
        soon = asyncio.get_running_loop().call_later
        self._deadline = None if seconds is None else soon(seconds, self.evict, why)

    # ---- to the client --------------------------------------------------------------------------

    def send(self, packets: list[Outgoing]) -> None:
        """Send packets at the end of this turn of the event loop."""
        self._engine.outbox.put((self,), packets)

    def flush(self) -> None:
        """Write what is pending, or let the poll have it that waits."""
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
        """Wait for packets; return the body of an answer that has them.

        Raises:
            ValueError: another poll waits already; it ends the session.
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
        """Take the packets of a request of long polling.

        Raises:
            ValueError: one can't be read; it ends the session.
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
        """Take a packet; return False for one that can't be read, which ends the session."""
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
                self._farewell = NOOP  # it knows
                self.close("transport close")
            else:
                raise ValueError("a packet of a kind that clients do not send")
        except (ValueError, RecursionError) as error:
            self.evict(str(error))
            return False
        return True

    def upgrade(self, packet: bytes) -> None:
        """Take a packet of a websocket that is to replace polling.

        Raises:
            ValueError: no upgrade has such a packet.
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
        """Note that a websocket has ended: with it the session, unless it was to be upgraded."""
        if channel is self.channel:
            self.channel, self.write = None, _nowhere
            if not self.probing:
                self.close("transport close")
            self.probing = self.paused = False

    def count(self, by: int) -> None:
        """Count the events of the client that are being handled: of too many, it waits."""
        most, before, self._busy = self._engine.most_at_once, self._busy, self._busy + by
        if self.channel and (before < most) != (self._busy < most):
            self.channel.pause(self._busy >= most)
        if self._free and self._busy < most:
            self._free.set_result(None)
            self._free = None

    # ---- the end --------------------------------------------------------------------------------

    def evict(self, why: str = "") -> None:
        """End the session at once, whatever waits for the client."""
        if not self.closed:
            if why:
                self._engine.guard.evicted(self, why)
            self.pending.clear()
            self._take_queue()
            self.close("transport error", at_once=True)

    def close(self, reason: str, *, at_once: bool = False) -> None:
        """End the session; what is pending goes out before."""
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
