"""The page's settings: language, theme, notifications, password; and what managers see."""

import re
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

# A page that can be put in the background, and notes which notifications the browser would show.
BACKGROUND = """
window.__shown = [];
window.__asked = 0;
Object.defineProperty(document, "hidden", { get: () => Boolean(window.__hidden) });
window.Notification = class {
  static permission = "default";
  static async requestPermission() {
    window.__asked += 1;
    return (Notification.permission = "granted");
  }
  constructor(title, { body }) {
    window.__shown.push(this);
    Object.assign(this, { title, body });
  }
  close() {}
};
"""

BOTH_SHOWN = """async () => {
  while (window.__shown.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
}"""


@asynccontextmanager
async def settings(visitor):
    """The settings, open meanwhile."""
    await visitor.page.locator("#settings-button").click()
    yield visitor.page.get_by_role("dialog")
    await visitor.page.keyboard.press("Escape")


async def test_the_page_speaks_the_browser_s_language_or_the_chosen_one(visit):
    inés = await visit("inés", locale="es-ES", offline=True)
    page = inés.page
    await page.goto(inés.url)
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await page.get_by_label("Nombre", exact=True).fill("inés")
    await page.get_by_label("Contraseña", exact=True).fill("not her password")
    await page.get_by_role("button", name="Entrar").click()
    password = page.get_by_label("Contraseña", exact=True)
    await expect(password).to_have_accessible_description("nombre o contraseña incorrectos")
    await page.get_by_role("button", name="Crear cuenta").click()
    await inés.is_in("Lobby")
    came = page.locator("#lines > .note", has_text="inés").last
    await expect(came).to_contain_text(re.compile(r"^inés.* (entró|entraron)"))
    await page.get_by_role("button", name="Nueva sala").click()
    await page.keyboard.press("Escape")
    async with settings(inés) as dialog:
        await dialog.get_by_label("Idioma").select_option("English")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(dialog.get_by_role("heading", name="Settings")).to_be_visible()
    await expect(came).to_contain_text("joined")
    await page.reload()
    await expect(page.get_by_role("button", name="New room")).to_be_visible()


async def test_light_and_dark_by_the_system_or_by_choice(visit):
    nia = await (await visit("nia", color_scheme="light")).arrive()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await nia.page.evaluate(ground)
    await nia.page.emulate_media(color_scheme="dark")
    dark = await nia.page.evaluate(ground)
    assert light != dark
    async with settings(nia) as dialog:
        await dialog.get_by_label("Theme").select_option("Light")
    assert await nia.page.evaluate(ground) == light
    await nia.page.reload()
    await nia.is_in("Lobby")
    assert await nia.page.evaluate(ground) == light


async def test_the_chosen_theme_is_there_before_the_first_paint(visit):
    """As long as no module has come, too."""
    joy = await visit("joy", color_scheme="dark")
    await joy.page.goto(joy.url)
    await joy.page.evaluate("localStorage.setItem('nochat.theme', 'light')")
    await joy.page.route("**/app.js", lambda route: None)
    await joy.page.goto(joy.url, wait_until="commit")
    await expect(joy.page.locator("body")).to_be_attached()
    await expect(joy.page.locator("html")).to_have_attribute("data-theme", "light")
    await joy.page.unroute_all(behavior="ignoreErrors")


async def test_notifications_are_asked_for_and_shown_in_the_background(visit, chat):
    kit = await visit("kit")
    await kit.page.add_init_script(BACKGROUND)
    await kit.arrive()
    shown = "window.__shown.map(({ title, body }) => [title, body])"
    async with Person("caller", chat.url) as caller:
        assert await kit.page.evaluate("window.__asked") == 0
        async with settings(kit) as dialog:
            await dialog.get_by_label("Notify me of mentions").check()
        assert await kit.page.evaluate("window.__asked") == 1
        await caller.says("@kit, in front of you")
        await kit.sees("@kit, in front of you")
        await kit.create("Elsewhere")
        await kit.page.evaluate("window.__hidden = true")
        await caller.says("nothing for anybody")
        await caller.says("@kit, behind you")
        room = (await caller.call("direct", {"user": "kit"}))["room"]
        await caller.until(lambda: room in caller.heard)
        await caller.says("psst", room=room)
        await kit.page.evaluate(BOTH_SHOWN)
        assert await kit.page.evaluate(shown) == [
            ["caller mentioned you in Lobby", "@kit, behind you"],
            ["caller wrote to you", "psst"],
        ]
        await kit.page.evaluate("window.__hidden = false; window.__shown[1].onclick()")
        await kit.is_in("caller")


async def test_another_password_ends_the_other_sessions(visit):
    first = await (await visit("toni")).arrive()
    second = await visit("toni", offline=True)
    await second.page.goto(second.url)
    await second.sign("Log in")
    await second.is_in("Lobby")
    first.tolerated = re.compile("Failed to load resource")  # the refusal
    async with settings(first) as dialog:
        old, new = dialog.get_by_label("Present password"), dialog.get_by_label("New password")
        change = dialog.get_by_role("button", name="Change password")
        await old.fill("not my password")
        await new.fill("Password2026!")
        await change.click()
        await expect(new).to_have_accessible_description(re.compile("easy to guess"))
        await new.fill("another password")
        await change.click()
        await expect(old).to_have_accessible_description("this is not your present password")
        await old.fill("a good password")
        await change.click()
        await expect(dialog.get_by_text("Your password is changed.")).to_be_visible()
    out = second.page.get_by_text("You were logged out: the password was changed.")
    await expect(out).to_be_visible()
    await second.sign("Log in", "another password")
    await second.is_in("Lobby")
    await first.says("still in")


async def test_only_managers_are_led_to_the_management(visit, chat):
    mona = await (await visit("mona")).arrive()
    link = mona.page.get_by_role("link", name="Management")
    async with settings(mona):
        await expect(link).to_be_hidden()
    chat.promote("mona")
    await mona.page.reload()
    await mona.is_in("Lobby")
    async with settings(mona):
        await expect(link).to_have_attribute("href", "manage")


async def test_another_role_counts_at_once(visit, chat):
    """One manager makes another, and no manager of her again."""
    rosa = await (await visit("rosa")).arrive()
    async with Person("member", chat.url) as member:
        await member.says("hello")
        await rosa.sees("hello")
        head = await (await visit("head")).arrive()
        chat.promote("head")

        async def give(role):
            account = f"{chat.url}/api/manage/users/rosa"
            assert (await head.page.request.post(account, data={"role": role})).ok

        link = rosa.page.locator("#manage-link")
        await rosa.page.locator("#settings-button").click()
        await expect(link).to_be_hidden()
        await give("manager")
        await expect(link).to_be_visible()
        await rosa.page.keyboard.press("Escape")
        await rosa.page.get_by_role("button", name="member online").click()
        items = rosa.page.get_by_role("menuitem")
        await expect(items.filter(has_text="Ban from the room")).to_be_visible()
        await give("user")
        await expect(items).to_have_count(0)
        await rosa.page.get_by_role("button", name="member online").click()
        await expect(items).to_have_text(["Send a message"])
