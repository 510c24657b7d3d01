"""Clients of a small socket.io server: python-socketio's, which record the events received."""

import asyncio
from collections.abc import Callable
from typing import Any

import socketio

from nochat.lab.errors import NotConnected
from nochat.lab.waiting import patience

__all__ = ["NotConnected", "Visitor", "leave", "new"]

PATIENCE = 10.0  # seconds

_visitors: dict[str, "Visitor"] = {}


class Visitor(socketio.AsyncClient):  # type: ignore[misc]
    """A client that records the events it receives.

    Attributes:
        name: its name.
        heard: every event so far: its name and its data.
    """

    def __init__(self, name: str) -> None:
        # Its own handler of SIGINT would end the kernel: Interrupt should only end the cell.
        super().__init__(reconnection=False, handle_sigint=False)
        self.name = name
        self.heard: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()
        self.on("*", self._hear)

    @property
    def texts(self) -> list[str]:
        """The texts of the messages that it received."""
        return [data[0]["text"] for event, *data in self.heard if event == "message"]

    async def _hear(self, *event: Any) -> None:
        self.heard.append(event)
        self._changed.set()

    async def connect(self, url: str, *arguments: Any, **options: Any) -> None:
        """Connect to a program.

        Raises:
            NotConnected: nothing answers at its address, or it refuses.
            GaveUp: it does not answer in time.
        """
        advice = "run the cell with `program.start` again, then this one"
        try:
            async with patience(f"{self.name}'s connection to {url}", PATIENCE, advice):
                await super().connect(url, *arguments, wait_timeout=None, **options)
        except socketio.exceptions.ConnectionError as error:
            raise NotConnected(self.name, f"{url}: {error}") from None

    async def emit(
        self,
        event: str,
        data: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """Send an event.

        Raises:
            NotConnected: there is no connection.
        """
        if not self.connected:
            raise NotConnected(self.name)
        await super().emit(event, data, namespace, callback)

    async def call(
        self,
        event: str,
        data: Any = None,
        namespace: str | None = None,
        timeout: float | None = PATIENCE,
    ) -> Any:
        """Send an event and wait for its acknowledgement; return its data.

        Raises:
            NotConnected: there is no connection.
            GaveUp: the program does not answer, most often because it does not handle the event.
        """
        advice = (
            f"the program that runs may have no event {event!r}. Run the cell with its `@sio.event`"
            f", then the one with `program.start` below it, then this one"
        )
        async with patience(f"the answer to {self.name}'s {event!r}", timeout, advice):
            return await super().call(event, data, namespace, timeout=None)

    async def until(self, *event: Any) -> None:
        """Wait until an event has been received.

        Raises:
            GaveUp: it was not received within a few seconds.
        """
        words = " ".join(map(str, event))
        advice = f"run the cell in which {self.name} comes in, then those below it, in order"
        async with patience(f"{self.name} to hear “{words}”", PATIENCE, advice):
            while event not in self.heard:
                self._changed.clear()
                await self._changed.wait()

    def __repr__(self) -> str:
        return f"<{self.name}: {'connected' if self.connected else 'not connected'}>"


async def new(name: str) -> Visitor:
    """Create a client that is not connected yet; disconnect a former one of the same name."""
    if name in _visitors:
        await _visitors.pop(name).disconnect()
    visitor = _visitors[name] = Visitor(name)
    return visitor


async def leave() -> None:
    """Disconnect all clients; calling it again does nothing."""
    while _visitors:
        await _visitors.popitem()[1].disconnect()
