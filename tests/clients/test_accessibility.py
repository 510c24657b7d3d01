"""The page for who has no mouse or can't see it: axe-core on every view, the keyboard alone."""

import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
STILL = "() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished))"
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary: why }) => [id, html, why]));
}"""


class Inspector:
    """Looks at a page with axe-core as it is shown, and notes what is serious."""

    def __init__(self, page) -> None:
        self.page, self.findings, self.views = page, [], 0

    async def look(self, view: str) -> None:
        # What still moves would be seen half transparent.
        await self.page.evaluate(STILL)
        if not await self.page.evaluate("typeof axe === 'object'"):
            await self.page.evaluate(AXE.read_text())  # the policy lets no script in
        self.findings += [(view, *finding) for finding in await self.page.evaluate(RUN)]
        self.views += 1

    @asynccontextmanager
    async def opened(self, selector: str):
        """Press a button, look, go on, and close by Escape."""
        await self.page.locator(selector).click()
        await self.look(selector)
        yield
        await self.page.keyboard.press("Escape")


async def furnish(user: str, url: str) -> Person:
    """A host with a room that has everything in it, a talk with the user, and an invitation."""
    host = await Person(f"host-of-{user}", url).arrive()
    room = f"salon-{user}"
    await host.call("create", {"room": room, "title": f"Salon {user}"})
    den = f"den-{new_id()[:16]}"
    await host.call("create", {"room": den, "title": "Den", "private": True})
    await host.until(lambda: den in host.heard and room in host.heard)
    for text in ("first", "second", f"@{user}, third", "fourth @somebody"):
        await host.says(text, room=room)
    await host.until(lambda: "fourth @somebody" in host.texts(room))
    said = {entry.get("text"): at for at, entry in host.heard[room].items()}
    await host.call("react", {"room": room, "position": said["first"], "emoji": "🎉", "on": True})
    await host.call("delete", {"room": room, "position": said["second"]})
    await host.call("edit", {"room": room, "position": said["first"], "text": "first, and found"})
    await host.call("invite", {"room": den, "user": user})
    direct = (await host.call("direct", {"user": user}))["room"]
    await host.until(lambda: direct in host.heard)
    await host.says("a word", room=direct)
    for text in (
        "**bold** and `code`, https://example.org/",
        "> said\n- one\n- two\n```sh\nls\n```",
    ):
        await host.says(text, room=room)
    answer = {"room": room, "client_id": "answer", "text": "an answer", "reply_to": said["first"]}
    await host.call("message", answer)
    gone = {"room": room, "client_id": "gone", "text": "to nothing", "reply_to": said["second"]}
    await host.call("message", gone)
    return host


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
async def test_no_view_has_a_serious_finding(visit, chat, locale, scheme):
    name = f"vi-{locale[:2]}-{scheme}"
    vi = await visit(
        name, locale=locale, color_scheme=scheme, reduced_motion="reduce", offline=True
    )
    page, axe = vi.page, Inspector(vi.page)
    await page.goto(vi.url)
    await page.locator("#user").fill(name)
    await page.locator("#password").fill("short")
    await page.locator("[value=register]").click()
    await axe.look("the door, with an error")
    await page.locator("#password").fill("a good password")
    await page.locator("[value=register]").click()
    await vi.is_in("Lobby")
    host = await furnish(name, chat.url)
    await page.locator(f"#join-salon-{name}").click()
    await vi.is_in(f"Salon {name}")
    await page.locator("#text").fill("my own")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.mentions-me")).to_be_visible()
    await expect(page.locator("#directs .badge")).to_be_visible()
    await expect(page.locator(".invitation")).to_be_visible()
    await expect(page.locator(".chip")).to_be_visible()
    await expect(page.locator(".quoted")).to_have_count(2)
    await expect(page.locator(".text pre")).to_be_visible()
    await axe.look("a room")
    await page.locator(".message", has_text="an answer").hover()
    await page.locator(".toolbar [aria-label=Reply], .toolbar [aria-label=Responder]").click()
    await expect(page.locator("#replying")).to_be_visible()
    await axe.look("an answer")
    await page.keyboard.press("Escape")
    await page.evaluate("location.hash = '#/room/lobby'")
    await vi.is_in("Lobby")
    await page.go_back()
    await vi.is_in(f"Salon {name}")
    await page.evaluate("location.hash = '#/room/nowhere'")
    await expect(page.locator(".notice .body").last).to_contain_text(re.compile("room at|sala"))
    await axe.look("a notice")
    await page.locator(".notice .quiet").last.click()
    await page.locator(".message").last.hover()
    async with axe.opened("#palette-button"):
        pass
    await page.locator("#text").fill("@h")
    await axe.look("names")
    await page.keyboard.press("Escape")
    await page.locator("#text").fill("")
    async with axe.opened("#search-button"):
        await page.locator("#search-text").fill("found")
        await page.keyboard.press("Enter")
        await page.locator(".result mark").wait_for()
        await axe.look("results")
    for button in ("#new-room", "#new-message", "#settings-button", "#more-button"):
        async with axe.opened(button):
            pass
    await page.locator("#settings-button").click()
    async with axe.opened("#delete-account"):
        pass
    await page.keyboard.press("Escape")
    async with axe.opened("#people .person:last-child > button"):
        pass
    await page.locator(".message.mine").hover()
    async with axe.opened(".toolbar [aria-label]:last-child"):
        pass
    await page.set_viewport_size({"width": 360, "height": 740})
    await axe.look("a narrow room")
    for button in ("#rooms-button", "#people-button", "#search-button"):
        async with axe.opened(button):
            pass
    await host.leave()
    assert axe.findings == []
    assert axe.views == 19


async def test_everything_is_reached_by_keyboard(visit):
    """Register, make a room, write, react, edit, delete, search, log out: without a mouse."""
    kim = await visit("keyboard-kim")
    page, keys = kim.page, kim.page.keyboard

    async def tab_to(what, *, back: bool = False) -> None:
        for _ in range(40):
            if await what.evaluate("each => each === document.activeElement"):
                break
            await keys.press("Shift+Tab" if back else "Tab")
        await expect(what).to_be_focused()
        look = "getComputedStyle(document.activeElement)"
        assert await page.evaluate(f"{look}.outlineStyle") == "solid"  # and it is seen where we are

    await page.goto(kim.url)
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await keys.type("keyboard-kim")
    await keys.press("Tab")
    await keys.type("a good password")
    await tab_to(page.get_by_role("button", name="Create account"))
    await keys.press("Enter")
    await kim.is_in("Lobby")

    new_room = page.get_by_role("button", name="New room")
    await tab_to(new_room, back=True)
    await keys.press("Enter")
    await expect(page.get_by_label("Room name")).to_be_focused()
    await keys.press("Escape")
    await expect(new_room).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_label("Room name")).to_be_focused()
    await keys.type("Quiet room")
    await keys.press("Enter")
    await kim.is_in("Quiet room")

    field = page.get_by_label("Message", exact=True)
    await expect(field).to_be_focused()
    for text in ("one", "two", "three"):
        await keys.type(text)
        await keys.press("Enter")
        await expect(kim.line(text).get_by_label("Sent")).to_be_visible()
    await tab_to(page.get_by_role("log"), back=True)
    await keys.press("ArrowUp")
    await expect(kim.line("three")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(kim.line("two")).to_be_focused()
    toolbar = kim.line("two").get_by_role("toolbar")
    await tab_to(toolbar.get_by_role("button", name="React", exact=True))
    await keys.press("Enter")
    await keys.press("ArrowRight")
    await keys.press("Enter")
    await expect(kim.line("two").get_by_role("button", name="👎, 1: keyboard-kim")).to_be_visible()
    await tab_to(toolbar.get_by_role("button", name="Reply", exact=True))
    await keys.press("Enter")
    await expect(field).to_be_focused()
    await keys.type("an answer")
    await keys.press("Enter")
    quote = kim.line("an answer").get_by_role("button", name="In reply to keyboard-kim two")
    await expect(quote).to_be_visible()
    await tab_to(quote, back=True)
    await keys.press("Enter")
    await expect(kim.line("two")).to_be_focused()
    await tab_to(toolbar.get_by_role("button", name="Copy link"))
    await tab_to(toolbar.get_by_role("button", name="Edit"))
    await keys.press("Enter")
    await expect(field).to_be_focused()
    await keys.type(" and a half")
    await keys.press("Enter")
    await expect(kim.line("two and a half")).to_contain_text("(edited)")
    await tab_to(page.get_by_role("log"), back=True)
    await keys.press("ArrowUp")
    await keys.press("ArrowUp")
    delete = kim.line("three").get_by_role("button", name="Delete")
    await tab_to(delete)
    await keys.press("Enter")
    await tab_to(page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await keys.press("Enter")
    deleted = page.locator(".message.deleted")
    await expect(deleted).to_be_focused()
    await keys.press("Escape")
    await expect(field).to_be_focused()

    search = page.get_by_role("button", name="Search").first
    await tab_to(search, back=True)
    await keys.press("Enter")
    await expect(page.get_by_label("Search for")).to_be_focused()
    await keys.type("half")
    await keys.press("Enter")
    result = page.locator(".result")
    await expect(result).to_be_visible()
    await tab_to(result)
    await keys.press("Enter")
    await expect(kim.line("two and a half")).to_be_focused()
    await tab_to(page.get_by_label("Search for"))
    await keys.press("Escape")
    await expect(search).to_be_focused()

    await tab_to(page.get_by_role("button", name="Settings"), back=True)
    await keys.press("Enter")
    await tab_to(page.get_by_role("button", name="Log out"))
    await keys.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()


async def test_the_skip_link_and_the_live_regions(visit):
    """New messages are told; what happens to old ones is not."""
    lia = await (await visit("lia", viewport={"width": 360, "height": 640})).arrive()
    await lia.page.reload()
    await lia.is_in("Lobby")
    skip = lia.page.get_by_role("link", name="Skip to the messages")
    await skip.focus()
    await expect(skip).to_be_in_viewport()
    await lia.page.keyboard.press("Enter")
    log = lia.page.get_by_role("log", name="Messages")
    await expect(log).to_be_focused()
    await expect(log).to_have_attribute("aria-live", "polite")
    await lia.says("hello")
    for part in (".state", ".reactions"):
        await expect(lia.line("hello").locator(part)).to_have_attribute("aria-live", "off")
    await lia.page.keyboard.press("Escape")
    await lia.page.get_by_role("button", name="Rooms").press("Enter")
    await expect(lia.page.locator("#room")).to_have_attribute("inert", "")
    await lia.page.keyboard.press("Escape")
    await expect(lia.page.get_by_role("button", name="Rooms")).to_be_focused()
