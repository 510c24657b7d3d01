"""Somebody at the page, in a browser."""

import asyncio
import contextlib
import re
from typing import Self

from playwright.async_api import Locator, Page, expect

PATIENCE = 10_000  # milliseconds, for clicks and for what is shown
expect.set_options(timeout=PATIENCE)


class Visitor:
    """A user at a page; `page` is Playwright's.

    Attributes:
        transports: those that the page used so far, in order.
        tolerated: what the console may say.
    """

    def __init__(self, name: str, url: str, page: Page) -> None:
        self.name, self.url, self.page = name, url, page
        self.transports: list[str] = []
        self.tolerated: re.Pattern[str] | None = None
        self._console: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._console.append(str(error)))
        page.on("websocket", lambda _: self._used("websocket"))
        page.on("request", lambda sent: "transport=polling" in sent.url and self._used("polling"))

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings in the console."""
        tolerated = self.tolerated
        return [line for line in self._console if not (tolerated and tolerated.search(line))]

    async def arrive(self, query: str = "") -> Self:
        """Register; a new user finds the lobby open."""
        await self.page.goto(f"{self.url}/{query}")
        await self.sign("Create account")
        await self.is_in("Lobby")
        return self

    async def sign(self, button: str, password: str = "a good password") -> None:
        await self.page.get_by_label("Name", exact=True).fill(self.name)
        await self.page.get_by_label("Password", exact=True).fill(password)
        await self.page.get_by_role("button", name=button).click()

    async def leave(self) -> None:
        """Log out."""
        await self.page.get_by_role("button", name="Settings").click()
        await self.page.get_by_role("button", name="Log out").click()

    async def is_in(self, title: str, seconds: float = PATIENCE / 1000) -> None:
        await expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible(
            timeout=1000 * seconds
        )

    async def create(self, title: str, *, private: bool = False) -> None:
        await self.page.get_by_role("button", name="New room").click()
        await self.page.get_by_label("Room name").fill(title)
        if private:
            await self.page.get_by_label("Private").check()
        await self.page.get_by_role("button", name="Create", exact=True).click()
        await self.is_in(title)

    async def join(self, title: str) -> None:
        """Join a room; among many it is sought."""
        button = self.page.get_by_role("button", name=f"Join {title}")
        others = self.page.get_by_label("Filter the other rooms")
        await expect(button.or_(others).filter(visible=True).first).to_be_visible()
        if not await button.is_visible():
            await others.fill(title)
        await button.click()
        await self.is_in(title)

    async def open(self, title: str) -> None:
        await self.page.locator("#joined").get_by_role("button", name=title).click()
        await self.is_in(title)

    async def writes(self, text: str) -> Locator:
        """Send a message with the keyboard; gives its line, whatever becomes of it."""
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")
        return self.line(text)

    async def says(self, text: str) -> None:
        """Send a message that arrives."""
        line = await self.writes(text)
        await expect(line.get_by_label("Sent")).to_be_visible()

    async def sees(self, *texts: str, patience: int = PATIENCE) -> None:
        """Wait until the log ends with these messages."""
        seen, shown = self.page.locator("#lines .text"), list[str]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience / 1000):
                while shown != list(texts):
                    shown = [text for text in await seen.all_text_contents() if text in texts]
        assert shown == list(texts)

    async def does(self, what: str, text: str) -> None:
        """Use the toolbar of the message with that text."""
        line = self.line(text)
        await line.hover()
        await line.get_by_role("toolbar").get_by_role("button", name=what, exact=True).click()

    async def chooses(self, item: str, *, of: str) -> None:
        """Choose from the menu that a button opens: a person's, or the room's."""
        opener = self.page.get_by_role("button", name=of)
        await opener.and_(self.page.locator("[aria-haspopup=menu]")).click()
        await self.page.get_by_role("menuitem", name=item).click()

    def line(self, text: str) -> Locator:
        exactly = self.page.locator(".text", has_text=re.compile(f"^{re.escape(text)}$"))
        return self.page.locator("#lines > li", has=exactly)

    def _said(self, message) -> None:
        if message.type in {"error", "warning"}:
            self._console.append(f"{self.name}: {message.text}")

    def _used(self, transport: str) -> None:
        if self.transports[-1:] != [transport]:
            self.transports.append(transport)


async def talk(ana: Visitor, bob: Visitor, room: str) -> None:
    """Two users meet in a new room; each sees what both say, in one order."""
    await ana.create(room)
    await bob.join(room)
    await ana.says("one")
    await bob.says("two")
    await ana.says("three")
    for visitor in (ana, bob):
        await visitor.sees("one", "two", "three")
