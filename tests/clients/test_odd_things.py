"""What comes that nobody thought of: people's text as keys, parts that throw, clocks set back."""

import json
import re

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

# An object of JavaScript has more under these names than anybody put there.
ODD = {"🧨": "constructor", "🪁": "toString", "🧸": "__proto__", "🪅": "❤", "🪆": "❤️"}
ON_PURPOSE = re.compile(
    "on purpose|is not iterable|Cannot destructure|Cannot read properties of undefined"
)

# As Chrome on Android: there is the class, there is the permission, and no page may use it.
ANDROID = """
Object.defineProperty(document, "hidden", { get: () => Boolean(window.__hidden) });
window.Notification = class {
  static permission = "granted";
  static async requestPermission() { return "granted"; }
  constructor() { throw new TypeError("Illegal constructor. Use showNotification()"); }
};
"""

# As a computer that has much else to do: what is due at the next frame waits.
LATE = """
const soon = window.setTimeout;
window.setTimeout = (act, after, ...more) => soon(act, after === 16 ? 1000 : after, ...more);
"""


async def exchanging(visitor, pairs):
    """Let a page hear other reactions than those that were sent, whatever the chat lets by."""

    async def take(route):
        server = route.connect_to_server()

        def pass_on(data):
            if isinstance(data, str):
                for sent, heard in pairs.items():
                    data = data.replace(sent, heard).replace(json.dumps(sent)[1:-1], heard)
            route.send(data)

        server.on_message(pass_on)

    await visitor.page.route_web_socket(re.compile("socket.io"), take)


async def test_a_reaction_may_be_called_like_anything(visit, chat):
    """And ❤ and ❤️ are one; live, and from the history after a reload."""
    async with Person("oddo", chat.url) as oddo:
        await oddo.call("create", {"room": "odd", "title": "Odd"})
        await oddo.until(lambda: "odd" in oddo.heard)
        await oddo.says("react to me", room="odd")
        await oddo.until(lambda: "react to me" in oddo.texts("odd"))
        (position,) = (at for at, entry in oddo.heard["odd"].items() if entry.get("text"))
        eva = await visit("eva")
        await exchanging(eva, ODD)
        await eva.arrive("?transports=websocket")
        await eva.join("Odd")
        await eva.sees("react to me")
        for emoji in ODD:
            target = {"room": "odd", "position": position, "emoji": emoji, "on": True}
            await oddo.call("react", target)
        chips = eva.line("react to me").locator(".chip")
        labels = [f"{emoji}, 1: oddo" for emoji in ("constructor", "toString", "__proto__", "❤️")]
        for _ in range(2):
            await expect(chips).to_have_count(4)
            for label in labels:
                button = eva.line("react to me").get_by_role("button", name=label, exact=True)
                await expect(button).to_be_visible()
            await oddo.says("and on it goes", room="odd")
            await expect(eva.line("and on it goes").last).to_be_visible()
            await eva.page.reload()
            await eva.is_in("Odd")


async def test_many_reactions_are_shown_in_part(visit, chat):
    """As many as help, and how many more there are; of names too."""
    async with Person("m1", chat.url) as first, Person("m2", chat.url) as second:
        await first.call("create", {"room": "fair", "title": "Fair"})
        await first.until(lambda: "fair" in first.heard)
        await second.join("fair")
        await first.says("all of them", room="fair")
        await second.until(lambda: "all of them" in second.texts("fair"))
        (position,) = (at for at, entry in second.heard["fair"].items() if entry.get("text"))
        for number in range(26):
            target = {"room": "fair", "position": position, "on": True}
            person = second if number % 2 else first
            await person.call("react", target | {"emoji": chr(0x1F400 + number)})
        kim = await (await visit("kimfair", viewport={"width": 360, "height": 740})).arrive()
        await kim.page.get_by_role("button", name="Rooms").click()
        await kim.join("Fair")
        await expect(kim.line("all of them").locator("button.chip")).to_have_count(20)
        await expect(kim.line("all of them").locator(".chip.more")).to_have_text("6 more")
        assert await kim.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_browser_that_refuses_notifications_leaves_the_notice(visit, chat):
    """It stays until the reader is back, and the settings say what there is."""
    kit = await visit("android-kit")
    await kit.page.add_init_script(ANDROID)
    await kit.arrive()
    await kit.create("Elsewhere of kit")
    await kit.page.locator("#settings-button").click()
    await kit.page.get_by_label("Notify me of mentions").check()
    await kit.page.keyboard.press("Escape")
    await kit.page.evaluate("window.__hidden = true")
    async with Person("ringer", chat.url) as ringer:
        await ringer.says("@android-kit, here")
        notice = kit.page.get_by_role("button", name="ringer mentioned you in Lobby")
        await expect(notice).to_be_visible()
        mention = kit.page.locator("#joined").get_by_role("button", name="Lobby")
        await expect(mention.get_by_label("1 mention")).to_be_visible()
    await kit.page.evaluate("window.__hidden = false")
    await kit.page.locator("#settings-button").click()
    await expect(kit.page.get_by_label("Notify me of mentions")).to_be_disabled()
    told = kit.page.get_by_text("This browser does not show notifications")
    await expect(told).to_be_visible()


async def test_a_view_that_throws_leaves_the_others(visit, chat):
    """And so does a packet, and one message, that nobody understands."""
    rea = await visit("rea")
    rea.tolerated = ON_PURPOSE
    routes = []

    async def broken(route):
        answer = await route.fetch()
        said = await answer.text()
        assert "render(model) {" in said
        throws = 'render(model) { throw new Error("on purpose");'
        await route.fulfill(response=answer, body=said.replace("render(model) {", throws))

    async def take(route):
        routes.append(route)
        route.connect_to_server()

    await rea.page.route(re.compile(r"/view/(rooms|people)\.js"), broken)
    await rea.page.route_web_socket(re.compile("socket.io"), take)
    await rea.arrive("?transports=websocket")
    routes[-1].send('42["entries",{"room":"lobby"}]')
    routes[-1].send('42["notified",null]')
    await rea.says("in spite of it")
    async with Person("other-rea", chat.url) as other:
        await other.says("heard")
        await rea.sees("in spite of it", "heard")
    await expect(rea.page).to_have_title(re.compile("Lobby"))
    assert any("on purpose" in line for line in rea._console)


async def test_rooms_that_come_before_the_page_was_drawn_are_drawn_with_it(visit, chat):
    async with Person("early", chat.url) as early:
        await early.call("create", {"room": "dawn", "title": "Dawn"})
        await early.until(lambda: "dawn" in early.heard)
    late = await visit("late")
    await late.page.context.add_init_script(LATE)
    await late.arrive()
    await late.join("Dawn")
