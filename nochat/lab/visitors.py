"""Clients of a small socket.io server: python-socketio's own, with a memory of what they heard."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import socketio

PATIENCE = 5.0  # seconds

_visitors: dict[str, "Visitor"] = {}


class NotConnected(RuntimeError):
    """A client has no connection; the message says what to run."""


class Visitor(socketio.AsyncClient):  # type: ignore[misc]
    """A client that notes what it hears.

    Attributes:
        name: who it is.
        heard: every event so far: its name and its data.
    """

    def __init__(self, name: str) -> None:
        super().__init__(reconnection=False)
        self.name = name
        self.heard: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()
        self.on("*", self._hear)

    @property
    def texts(self) -> list[str]:
        """The texts of the messages among what was heard."""
        return [data[0]["text"] for event, *data in self.heard if event == "message"]

    async def _hear(self, *event: Any) -> None:
        self.heard.append(event)
        self._changed.set()

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
            raise NotConnected(
                f"{self.name} is not connected. Run the cell in which {self.name} comes in again."
            )
        await super().emit(event, data, namespace, callback)

    async def until(self, *event: Any) -> bool:
        """Wait until an event was heard; tell whether it was, within a few seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while event not in self.heard:
                    self._changed.clear()
                    await self._changed.wait()
        return event in self.heard

    def __repr__(self) -> str:
        return f"<{self.name}: {'connected' if self.connected else 'not connected'}>"


async def new(name: str) -> Visitor:
    """A client that is not connected yet; a former one of the same name leaves first."""
    if name in _visitors:
        await _visitors.pop(name).disconnect()
    visitor = _visitors[name] = Visitor(name)
    return visitor


async def leave() -> None:
    """Let every client go; calling it again does nothing."""
    while _visitors:
        await _visitors.popitem()[1].disconnect()
