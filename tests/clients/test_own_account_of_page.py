"""One's own account at the page: sessions, one's data, and its end as others see it."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.clients.visitor import PATIENCE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def log_in(visitor):
    await visitor.page.goto(visitor.url)
    await visitor.sign("Log in")
    await visitor.is_in("Lobby")
    return visitor


async def tab_to(page, what):
    """From where the focus is, by the keyboard alone."""
    for _ in range(40):
        if await what.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {what}")


async def test_a_session_elsewhere_is_ended_and_one_s_data_are_taken_along(visit):
    ana = await (await visit("anna", viewport={"width": 360, "height": 740})).arrive()
    await ana.says("mine to take along")
    others = [await log_in(await visit("anna", offline=True)) for _ in range(2)]
    page = ana.page
    await page.locator("#rooms-button").click()
    await page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    listed = dialog.locator("#sessions > li")
    await expect(listed).to_have_count(3)
    await expect(listed.filter(has_text="here, now")).to_contain_text("Chrome on Linux")
    assert await dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    end = listed.first.get_by_role("button", name=re.compile("End this session: Chrome on Linux"))
    await tab_to(page, end)
    await page.keyboard.press("Enter")
    await expect(listed).to_have_count(2)
    await expect(dialog.get_by_text("Ended: Chrome on Linux.")).to_be_visible()
    out = "You were logged out: from another session."
    await expect(others[1].page.get_by_text(out)).to_be_visible()
    await others[0].says("still here")
    await dialog.get_by_role("button", name="End all the others").click()
    await expect(listed).to_have_count(1)
    await expect(others[0].page.get_by_text(out)).to_be_visible()
    async with page.expect_download() as download:
        await dialog.get_by_role("button", name="Download my data").click()
    given = json.loads(Path(await (await download.value).path()).read_text())
    assert {message["text"] for message in given["messages"]} == {
        "mine to take along",
        "still here",
    }
    for _ in ("the dialog", "the drawer"):
        await page.keyboard.press("Escape")
    await ana.says("logged in as before")


async def test_a_token_is_made_shown_once_and_revoked(visit):
    page = (await (await visit("tobias", viewport={"width": 360, "height": 740})).arrive()).page
    await page.locator("#rooms-button").click()
    await page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Settings")
    await settings.get_by_role("button", name="Make a token…").click()
    ask = page.get_by_role("dialog", name="Make a token?")
    await expect(ask.get_by_label("What is it for?")).to_be_focused()
    password = ask.get_by_label("Present password")
    await password.fill("a good password")
    await page.keyboard.press("Enter")
    await expect(password).to_have_accessible_description("Say what it is for.")
    await ask.get_by_label("What is it for?").fill("the <b>station</b>")
    await ask.get_by_label("It ends after").select_option("a week")
    await page.keyboard.press("Enter")
    secret = settings.get_by_label("Your new token")
    await expect(settings.get_by_text("Copy it now: it is shown only once.")).to_be_visible()
    token = await secret.input_value()
    asked = f"{page.url.partition('#')[0]}api/rooms"
    said = await page.request.get(asked, headers={"Authorization": f"Bearer {token}"})
    assert [room["title"] for room in (await said.json())["rooms"]] == ["Lobby"]
    listed = settings.locator("#tokens > li")
    await expect(listed).to_contain_text(re.compile("the <b>station</b>until .* · never used"))
    assert await settings.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Settings").click()
    await expect(secret).to_be_hidden()
    assert await secret.input_value() == ""
    await expect(listed).to_contain_text("last used")
    await listed.get_by_role("button", name="Revoke: the <b>station</b>").click()
    await expect(listed).to_have_count(0)
    await expect(settings.get_by_text("Revoked: the <b>station</b>.")).to_be_visible()


@pytest.mark.timeout(180)  # four browsers, on a machine that may be busy
async def test_a_deleted_account_has_no_name_on_the_page(visit):
    """Not for who looks on, nor for who comes back, nor for who comes later."""
    bea = await (await visit("beatrix", offline=True)).arrive()
    cal = await (await visit("calixto")).arrive()
    dan = await visit("dante", offline=True)
    away, routes = [], []

    async def cut(route):
        if away:
            return await route.close()
        routes.append(route)
        route.connect_to_server()

    await dan.page.route_web_socket(re.compile("socket.io"), cut)
    await dan.arrive("?transports=websocket")
    await bea.says("said by me")
    await cal.says("@beatrix, hello")
    await cal.does("Reply", "said by me")
    await cal.says("an answer")
    await bea.does("React with 👍", "@beatrix, hello")
    await expect(cal.line("@beatrix, hello").locator(".chip")).to_be_visible()
    await bea.chooses("Send a message", of="calixto online")
    await bea.is_in("calixto")
    await bea.says("between us")
    await expect(cal.page.locator("#directs").get_by_text("beatrix")).to_be_visible()
    await dan.sees("an answer")
    away.append(True)
    await routes[-1].close()

    page = bea.page
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Delete my account…").click()
    ask = page.get_by_role("dialog", name="Delete your account?")
    password = ask.get_by_label("Present password")
    await expect(password).to_be_focused()
    await expect(ask).to_have_accessible_description(re.compile("second copy"))
    await page.keyboard.press("Enter")
    await expect(password).to_have_accessible_description("Enter your password.")
    await password.fill("not my password")
    await page.keyboard.press("Enter")
    await expect(password).to_have_accessible_description("this is not your present password")
    await password.fill("a good password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Your account is deleted.")).to_be_visible()
    await bea.sign("Log in")
    await expect(page.get_by_text("wrong name or password")).to_be_visible()

    away.clear()
    late = await (await visit("late")).arrive()
    for visitor in (cal, dan, late):
        line = visitor.line("said by me")
        await expect(line.locator(".head strong")).to_have_text(
            "deleted user", timeout=3 * PATIENCE
        )
        await expect(visitor.line("an answer").locator(".quoted")).to_contain_text("deleted user")
        await expect(visitor.page.locator("#people")).not_to_contain_text("beatrix")
        named = visitor.page.locator("#lines .note", has_text="beatrix")
        await expect(named).to_have_count(0)
        await expect(visitor.line("@beatrix, hello").locator(".chip")).to_have_count(0)
    direct = cal.page.locator("#directs").get_by_role("button", name="deleted user")
    await direct.click()
    await cal.is_in("deleted user")
    await cal.sees("between us")
    text = cal.page.get_by_label("Message", exact=True)
    await expect(text).to_be_disabled()
    await expect(text).to_have_attribute("placeholder", "This account was deleted")
    await cal.page.get_by_role("button", name="Search").first.click()
    await cal.page.get_by_label("Search for").fill("said by me")
    await cal.page.keyboard.press("Enter")
    await expect(cal.page.locator(".result")).to_contain_text(["deleted user"])
    await cal.page.keyboard.press("Escape")
    await cal.page.get_by_role("button", name="Settings").click()
    await cal.page.locator("#language").select_option("Español")
    await cal.page.keyboard.press("Escape")
    await cal.is_in("usuario borrado")
    await expect(cal.line("between us").locator(".head strong")).to_have_text("usuario borrado")
