"""People who talk while a judge's machines change, and note what the chat has acknowledged."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from nochat.domain.client_ids import new_client_id
from nochat.lab.errors import NotConnected
from nochat.lab.people import Person

NAMES = ("ana", "bob")
PAUSE = 0.5  # seconds between two messages of a person
AGAIN = 0.3  # seconds until somebody tries to connect again
PATIENCE = 30.0  # seconds in which a new visitor must come in
TROUBLE = (RuntimeError, OSError, aiohttp.ClientError)  # also Refused, NotConnected, GaveUp


class Closed(Exception):
    """A new visitor can't come in; the message says why."""


class Talk:
    """A talk in a room of its own, so that the notebook's rooms stay as they are.

    Attributes:
        said: the texts that the chat has acknowledged, in order.
    """

    def __init__(self, url: str, trust: Path | None) -> None:
        self._url, self._trust = url, trust
        self._room, self._over = f"talk-{secrets.token_hex(4)}", False
        self.said: list[str] = []

    async def begin(self) -> list["asyncio.Task[None]"]:
        """Let people come in and talk."""
        people = [self._person(name) for name in NAMES]
        await asyncio.gather(*(person.arrive() for person in people))
        asked = {"room": self._room, "title": "Talking while it changes", "private": False}
        await people[0].call("create", asked)
        for person in people:
            await person.join(self._room)
            await self._say(person)
        return [asyncio.create_task(self._talk(person)) for person in people]

    def end(self) -> None:
        """Let people leave after what they are saying."""
        self._over = True

    async def lost(self, patience: float = PATIENCE) -> list[str]:
        """Return what was acknowledged, and can't be read by a visitor who is new.

        Raises:
            Closed: the visitor can't come in.
        """
        give_up = asyncio.get_running_loop().time() + patience
        while True:
            said, visitor = [*self.said], self._person("eve")
            try:
                async with visitor:
                    stored = await self._stored(visitor)
                return [text for text in said if text not in stored]
            except TROUBLE as error:
                if asyncio.get_running_loop().time() > give_up:
                    raise Closed(f"{error}") from error
                await asyncio.sleep(AGAIN)

    def _person(self, name: str) -> Person:
        return Person(f"{name}-{secrets.token_hex(4)}", self._url, trust=self._trust)

    async def _talk(self, person: Person) -> None:
        try:
            while not self._over:
                await asyncio.sleep(PAUSE)
                await self._say(person)
        finally:
            await person.leave()

    async def _say(self, person: Person) -> None:
        """Send a message until it is acknowledged, or the talk is over."""
        text, client_id = f"{person.name} says {secrets.token_hex(4)}", new_client_id()
        while True:
            try:
                if not person.connected:
                    await person.connect()
                saying = person.says(text, self._room, client_id)
                await _while_connected(person, saying)
            except TROUBLE:
                if self._over:
                    return
                await asyncio.sleep(AGAIN)
            else:
                self.said.append(text)
                return

    async def _stored(self, visitor: Person) -> set[str]:
        found = await visitor.call("rooms", {"text": "", "only": self._room})
        if not found["rooms"]:
            return set()
        await visitor.join(self._room)
        return {
            entry["text"]
            async for entries in visitor.since(self._room)
            for entry in entries
            if "text" in entry
        }


async def _while_connected(person: Person, work: Coroutine[Any, Any, Any]) -> None:
    """Wait for what a person does; not for the answer of a gateway that is gone.

    Raises:
        NotConnected: the socket was closed before the answer.
    """
    doing = asyncio.create_task(work)
    while not doing.done():
        await asyncio.wait([doing], timeout=AGAIN)
        if not (doing.done() or person.connected):
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            raise NotConnected(person.name)
    await doing


@asynccontextmanager
async def talking(url: str, trust: Path | None) -> AsyncIterator[Talk]:
    """Let people talk without a pause; they come back whenever they are disconnected.

    Args:
        url: the page's address.
        trust: certificate of the authority to trust; None for a public one.
    """
    talk = Talk(url, trust)
    tasks = await talk.begin()
    try:
        yield talk
    finally:
        talk.end()
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
