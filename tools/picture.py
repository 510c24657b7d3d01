"""Take the picture of the chat for the README and the site: docs/_static/chat.png."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright

from nochat.lab import chat
from nochat.lab.people import Person
from nochat.local import doctor

PICTURE = Path(__file__).parents[1] / "docs" / "_static" / "chat.png"
SIZE = {"width": 1180, "height": 700}


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[None]:
    """Let people talk, with an example of every feature; they stay until the block ends."""
    async with Person("Ana", url) as ana, Person("Zoë", url) as zoe, Person("José", url) as jose:
        await ana.call("create", {"room": "field-trip", "title": "Field trip"})
        for person in (zoe, jose):
            await person.until(lambda p=person: any(e == "created" for e, _ in p.told))
            await person.join("field-trip")
        wanted = "Who brings what on **Saturday**?\n- tent\n- stove\n- `map.gpx`"
        await ana.says(wanted, "field-trip")
        await zoe.says("The tent 🏕️, and the map: https://example.org/map_(north)", "field-trip")
        await ana.until(lambda: len(ana.texts("field-trip")) == 2)
        first = min(
            p for p, entry in ana.heard["field-trip"].items() if entry["type"] == "message.sent"
        )
        stove = {"room": "field-trip", "client_id": "1", "reply_to": first}
        await jose.call("message", stove | {"text": "I have a stove. @Ana, coffee or tea?"})
        for person, emoji in ((ana, "❤️"), (jose, "❤️"), (ana, "🎉")):
            change = {"room": "field-trip", "position": first + 1, "emoji": emoji, "on": True}
            await person.call("react", change)
        await zoe.says("> coffee or tea\n\nBoth!", "field-trip")
        await ana.until(lambda: len(ana.texts("field-trip")) == 4)
        yield


async def look(page: Page, url: str) -> None:
    """Open the room as a new user, and take the picture."""
    await page.goto(url)
    await page.get_by_label("Name", exact=True).fill("Bea")
    await page.get_by_label("Password", exact=True).fill("a picture's password")
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("heading", level=1, name="Lobby").wait_for()
    await page.goto(f"{url}#/room/field-trip")
    await page.get_by_role("dialog").get_by_role("button", name="Join").click()
    await page.get_by_text("Both!").wait_for()
    await page.get_by_role("textbox", name="Message").fill("I'll bring cake")
    await page.screenshot(path=PICTURE)


async def main() -> None:
    """Start a chat, take the picture, and stop the chat."""
    with tempfile.TemporaryDirectory() as profile:
        running = await asyncio.to_thread(chat.start)
        try:
            async with talking(running.url), async_playwright() as playwright:
                arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
                browser = await playwright.chromium.launch_persistent_context(
                    profile,
                    executable_path=doctor.require("chromium"),
                    args=arguments,
                    viewport=SIZE,
                    locale="en",
                )
                await look(browser.pages[0], running.url)
                await browser.close()
        finally:
            await asyncio.to_thread(running.stop)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    asyncio.run(main())
