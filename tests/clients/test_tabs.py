"""Whose session it is concerns every tab of a browser; and a browser that keeps no session."""

import asyncio
import json
import re

import pytest
from playwright.async_api import expect

from nochat.lab import chat as lab
from nochat.lab.people import Person
from nochat.local.processes import free_port
from tests.clients.conftest import ARGUMENTS, OF_THE_NETWORK
from tests.clients.visitor import Visitor
from tests.conftest import CHROMIUM

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

UNTOLD = "delete window.BroadcastChannel;"  # an old browser: only the socket tells
TYPED = """() => [...document.querySelectorAll("input:not([type=checkbox]), textarea")]
  .filter(({ value }) => value).map(({ id, name, value }) => [id || name, value])"""


class Line:
    """A websocket that can be cut."""

    def __init__(self) -> None:
        self.away, self.routes = False, []

    async def take(self, route) -> None:
        if self.away:
            await route.close()
        else:
            self.routes.append(route)
            route.connect_to_server()

    async def cut(self) -> None:
        self.away = True
        await self.routes[-1].close()


async def beside(visitor: Visitor, name: str) -> Visitor:
    """A second tab of the same browser."""
    second = Visitor(name, visitor.url, await visitor.page.context.new_page())
    await second.page.goto(visitor.url)
    return second


async def test_one_window_too_many_says_so_and_connects_when_another_closes(visit):
    with lab.start(port=free_port(), user_sockets="1") as chat:
        ana = await (await visit("ana", url=chat.url)).arrive()
        second = await beside(ana, "ana")
        banner = second.page.get_by_text("open in too many windows")
        await expect(banner).to_be_visible()
        await ana.says("from the first window")
        await ana.page.close()
        await expect(banner).to_be_hidden()
        await second.sees("from the first window")


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_unsent_messages_are_never_sent_by_another_user(visit, chat, told):
    """Ana's tab loses its socket with a message unsent; by the other tab, Bea comes."""
    name, other, line = f"ana-{told}", f"bea-{told}", Line()
    secret = f"the secret of {name}"
    ana = await visit(name, offline=True)
    if not told:
        await ana.page.context.add_init_script(UNTOLD)
    await ana.page.route_web_socket(re.compile("socket.io"), line.take)
    async with Person(f"witness-{told}", chat.url) as witness:
        await ana.arrive("?transports=websocket")
        await line.cut()
        await expect(ana.page.get_by_text("The connection is lost")).to_be_visible()
        await expect(await ana.writes(secret)).to_contain_text("Sending…")

        second = await beside(ana, other)
        await second.is_in("Lobby")
        await second.leave()
        await second.sign("Create account")
        await second.is_in("Lobby")
        line.away = False
        await expect(ana.page.locator("#me")).to_have_text(other, timeout=40_000)
        if not told:
            notice = f"Another tab of this browser logged in as {other}"
            await expect(ana.page.get_by_text(notice)).to_be_visible()
        await ana.is_in("Lobby", seconds=40)  # the client gives the attempt before 20 s
        await ana.says("good evening")
        await expect(ana.line(secret)).to_have_count(0)
        await witness.until(lambda: "good evening" in witness.texts())
        assert secret not in witness.texts()

        await second.leave()
        field = ana.page.get_by_label("Name", exact=True)
        await expect(field).to_be_visible()
        await ana.sign("Log in")
        await expect(ana.line(secret).get_by_label("Sent")).to_be_visible()
        await witness.until(lambda: secret in witness.texts())
        said = [
            message for message in witness.heard["lobby"].values() if message.get("text") == secret
        ]
        assert [message["sender"] for message in said] == [name]


async def test_a_log_in_by_one_tab_is_seen_in_the_others(visit):
    """A door opens by itself, unless somebody has begun to write at it."""
    max_ = await (await visit("tabby")).arrive()
    second = await beside(max_, "tabby")
    await second.is_in("Lobby")
    third = await beside(max_, "tabby")
    await max_.leave()
    for tab in (second, third):
        await expect(tab.page.get_by_label("Name", exact=True)).to_be_visible()
    await third.page.get_by_label("Name", exact=True).fill("tab")
    await max_.sign("Log in")
    await second.is_in("Lobby")
    await max_.is_in("Lobby")
    await expect(third.page.get_by_label("Name", exact=True)).to_have_value("tab")


async def test_nothing_of_a_user_is_left_for_the_next(visit, chat):
    """Typed texts and passwords, what was found, notices and what was filtered."""
    async with Person("teller", chat.url) as teller:
        for number in range(9):
            await teller.call("create", {"room": f"nook-{number}", "title": f"Nook {number}"})
        ina = await (await visit("ina")).arrive()
        page = ina.page
        room = (await teller.call("direct", {"user": "ina"}))["room"]
        await teller.until(lambda: room in teller.heard)
        await teller.says("for ina alone", room=room)
        await expect(page.get_by_text("teller wrote to you: for ina alone")).to_be_visible()
        await page.get_by_role("button", name="Search").first.click()
        await page.get_by_label("Search for").fill("ina alone")
        await page.keyboard.press("Enter")
        await expect(page.locator(".result")).to_be_visible()
        await page.get_by_label("Filter the other rooms").fill("nook")
        await page.get_by_label("Message", exact=True).fill("half a thought")
        await page.get_by_role("button", name="New room").click()
        await page.get_by_label("Room name").fill("My plans")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Settings").click()
        await page.locator("#old-password").fill("a good password")
        await page.get_by_label("New password").fill("a better password")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()
        await expect(page).to_have_title("NoChat")
        assert await page.evaluate(TYPED) == []
        await expect(page.locator("#notices")).to_be_empty()
        await expect(page.locator("#results")).to_be_empty()
        assert "#" not in page.url
        ina.name = "ina-s-guest"
        await ina.sign("Create account")
        await ina.is_in("Lobby")
        assert await page.evaluate(TYPED) in ([], [["user", "ina-s-guest"]])
        await expect(page.get_by_text("for ina alone")).to_have_count(0)


async def test_a_failed_log_out_is_told(visit):
    """The session goes on: nobody may believe that it is over."""
    lou = await (await visit("lou", offline=True)).arrive()
    await lou.page.route("**/api/logout", lambda route: route.abort())
    await lou.leave()
    refused = lou.page.get_by_text("That was refused: the chat does not answer.")
    await expect(refused).to_be_visible()
    await lou.says("still here")


async def test_a_log_out_lasts_until_it_is_answered(visit):
    """The socket hears of it earlier; a log-in then would be undone by the answer's cookie."""
    moe = await (await visit("moe", offline=True)).arrive()
    done, release = asyncio.Event(), asyncio.Event()

    async def hold(route):
        answer = await route.fetch()
        done.set()
        await release.wait()
        await route.fulfill(response=answer)

    await moe.page.route("**/api/logout", hold)
    async with moe.page.expect_event("websocket"):  # tries again: the first one was closed
        await moe.leave()
        await done.wait()
    await expect(moe.page.locator("#door")).to_be_hidden()
    release.set()
    await moe.sign("Log in")
    await moe.is_in("Lobby")


async def test_a_browser_that_keeps_no_cookies_is_told_what_to_do(chromium, chat, tmp_path):
    """It lets the page keep nothing else either: what is chosen holds until the page is left."""
    (tmp_path / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(blocked))
    context = await chromium.browser_type.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=[*ARGUMENTS, "--whole"], locale="en-GB"
    )
    try:
        nat = Visitor("nat", chat.url, context.pages[0])
        nat.tolerated = OF_THE_NETWORK
        await nat.page.goto(nat.url)
        storage = "() => { try { return typeof localStorage } catch ({ name }) { return name } }"
        assert await nat.page.evaluate(storage) == "SecurityError"
        told = nat.page.get_by_role("alert").filter(has_text="Your browser keeps no cookies")
        await expect(told).to_contain_text("Allow cookies for this address")
        await nat.sign("Create account")
        await expect(told).to_be_visible()
        await expect(nat.page.get_by_role("button", name="Create account")).to_be_enabled()
        await nat.page.locator("#door-language").select_option("Español")
        await expect(nat.page.get_by_role("button", name="Crear cuenta")).to_be_visible()
        await expect(nat.page.locator("#door-language")).to_have_value("es")
        assert nat.complaints == []
    finally:
        await context.close()
