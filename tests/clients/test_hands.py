"""What people do, tried by mouse, by keyboard and by touch: the same deeds by each."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from nochat.lab.people import Person
from tests.clients.visitor import Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

MANY = 80  # presses of Tab, and it is not there
PHONE = {"has_touch": True, "viewport": {"width": 360, "height": 740}}


class Mouse:
    """Moves to what is wanted, presses and lets go, where things may have moved meanwhile."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def use(self, what: Locator) -> None:
        await what.click()

    async def choose(self, item: Locator) -> None:
        await self.use(item)

    async def reach(self, line: Locator) -> None:
        await line.hover()

    async def panel(self, name: str) -> None:
        """It is in sight."""


class Touch(Mouse):
    """A finger, on a small screen, where the panels are drawers."""

    async def use(self, what: Locator) -> None:
        await what.tap()

    async def reach(self, line: Locator) -> None:
        if not await line.get_by_role("toolbar").count():
            await line.locator(".text").tap()

    async def panel(self, name: str) -> None:
        if not await self.page.locator(f"#{name}-panel.open").count():
            await self.page.locator(f"#{name}-button").tap()


class Keyboard(Mouse):
    """Tab until it is there, Enter; arrows in menus and in the log."""

    async def use(self, what: Locator) -> None:
        await self._until(what, "Tab")
        await self.page.keyboard.press("Enter")

    async def choose(self, item: Locator) -> None:
        await self._until(item, "ArrowDown")
        await self.page.keyboard.press("Enter")

    async def reach(self, line: Locator) -> None:
        if await line.evaluate("line => line.contains(document.activeElement)"):
            return
        log = self.page.get_by_role("log")
        if not await log.evaluate("log => log.contains(document.activeElement)"):
            await self._until(log, "Shift+Tab")
        await self._until(line, "ArrowUp")

    async def _until(self, what: Locator, key: str) -> None:
        await expect(what).to_be_visible()
        for _ in range(MANY):
            if await what.evaluate("each => each === document.activeElement"):
                return
            await self.page.keyboard.press(key)
        await expect(what).to_be_focused()


HANDS = [
    pytest.param(Mouse, {}, id="mouse"),
    pytest.param(Keyboard, {}, id="keyboard"),
    pytest.param(Touch, PHONE, id="touch"),
]


async def register(visitor: Visitor, hand: Mouse) -> None:
    page = visitor.page
    await page.goto(visitor.url)
    for label, text in (("Name", visitor.name), ("Password", "a good password")):
        await hand_to_field(hand, page.get_by_label(label, exact=True))
        await page.keyboard.type(text)
    await hand.use(page.get_by_role("button", name="Create account"))
    await visitor.is_in("Lobby")


async def hand_to_field(hand: Mouse, field: Locator) -> None:
    """Whose field has the focus already, need not go there."""
    if await field.evaluate("each => each !== document.activeElement"):
        await hand.use(field)


async def say(visitor: Visitor, hand: Mouse, text: str) -> None:
    await hand_to_field(hand, visitor.page.get_by_label("Message", exact=True))
    await visitor.page.keyboard.type(text)
    await hand.use(visitor.page.get_by_role("button", name="Send", exact=True))
    await expect(visitor.line(text).get_by_label("Sent")).to_be_visible()


async def choose_person(page: Page, hand: Mouse, name: str, act: str) -> None:
    """Write a beginning and, while the suggestions are open, go on with the button."""
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_role("combobox")
    await field.press_sequentially(name)
    await expect(dialog.get_by_role("option", name=name)).to_be_visible()
    if isinstance(hand, Keyboard):
        await page.keyboard.press("Enter")  # takes the suggestion
    await hand.use(dialog.get_by_role("button", name=act, exact=True))
    await expect(dialog).to_be_hidden()


@pytest.mark.parametrize(("hand", "profile"), HANDS)
async def test_every_deed_is_done_by_each_hand(visit, chat, hand, profile):
    """A room is made, talked in, searched, opened; people invited, written to, muted, banned."""
    me = hand.__name__.lower()
    visitor = await visit(f"by-{me}", **profile)
    page, hand = visitor.page, hand(visitor.page)

    def button(name: str) -> Locator:
        return page.get_by_role("button", name=name, exact=True)

    async with Person(f"pal-of-{me}", chat.url) as pal:
        await register(visitor, hand)

        await hand.panel("rooms")
        await hand.use(button("New room"))
        await page.keyboard.type(f"Shed {me}")
        await hand.use(page.get_by_role("dialog").get_by_role("button", name="Create"))
        await visitor.is_in(f"Shed {me}")
        for text in ("one", "two", "three"):
            await say(visitor, hand, text)

        line = visitor.line("two")
        await hand.reach(line)
        await hand.use(line.get_by_role("button", name="React with 👍"))
        await expect(line.get_by_role("button", name=f"👍, 1: by-{me}")).to_be_visible()
        await hand.reach(line)
        await hand.use(line.get_by_role("button", name="Edit"))
        await page.keyboard.type(" and a half")
        await hand.use(button("Save"))
        await expect(visitor.line("two and a half")).to_contain_text("(edited)")
        await hand.reach(visitor.line("three"))
        await hand.use(visitor.line("three").get_by_role("button", name="Delete"))
        await hand.use(page.get_by_role("dialog").get_by_role("button", name="Delete"))
        await expect(page.locator(".message.deleted")).to_be_visible()

        await hand.use(page.get_by_role("button", name="More for this room"))
        await hand.choose(page.get_by_role("menuitem", name="Invite somebody"))
        await choose_person(page, hand, f"pal-of-{me}", "Invite")
        await pal.until(lambda: "invited" in [event for event, _ in pal.told])
        await pal.join(f"shed-{me}")

        people = page.locator("#people")
        await hand.panel("people")
        for act, shown in (("Mute", "muted"), ("Unmute", "online")):
            pals = people.get_by_role("button", name=f"pal-of-{me}")
            await hand.use(pals)
            await hand.choose(page.get_by_role("menuitem", name=act, exact=True))
            await expect(pals).to_have_accessible_name(re.compile(shown))
        await hand.use(people.get_by_role("button", name=f"pal-of-{me}"))
        await hand.choose(page.get_by_role("menuitem", name="Ban from the room"))
        await hand.use(page.get_by_role("dialog").get_by_role("button", name="Ban"))
        await expect(page.locator("#banned")).to_contain_text(f"pal-of-{me}")
        if profile:
            await page.locator("#composer").tap(position={"x": 5, "y": 5}, force=True)
            await expect(page.locator("#people-panel.open")).to_have_count(0)

        await hand.use(page.locator("#search-button"))
        await page.keyboard.type("half")
        await hand.use(page.locator("#search-form").get_by_role("button", name="Search"))
        await hand.use(page.locator(".result"))
        await expect(visitor.line("two and a half")).to_be_focused()

        await hand.panel("rooms")
        await hand.use(button("New message"))
        await choose_person(page, hand, f"pal-of-{me}", "Write")
        await visitor.is_in(f"pal-of-{me}")
        await say(visitor, hand, "only for you")
        await hand.panel("rooms")
        await hand.use(page.locator("#joined").get_by_role("button", name=f"Shed {me}"))
        await visitor.is_in(f"Shed {me}")

        await hand.panel("rooms")
        await hand.use(button("Settings"))
        await hand.use(page.get_by_role("dialog").get_by_role("button", name="Log out"))
        await expect(page.get_by_label("Name", exact=True)).to_be_focused()


async def test_the_toolbar_goes_with_the_mouse_also_after_a_reaction(visit):
    rob = await (await visit("rob")).arrive()
    await rob.create("Tools")
    for text in ("hammer", "nail", "saw"):
        await rob.says(text)
    toolbar = rob.page.get_by_role("toolbar")
    await rob.does("React with 👍", "hammer")
    await expect(rob.line("hammer").locator(".chip")).to_be_visible()
    await rob.line("saw").hover()
    await expect(rob.line("saw").get_by_role("toolbar")).to_be_visible()
    await expect(toolbar).to_have_count(1)
    await rob.line("saw").get_by_role("button", name="React", exact=True).click()
    await rob.line("nail").hover()  # while it is chosen, the palette stays
    await rob.line("saw").get_by_role("button", name="React with 🎉").click()
    await rob.line("nail").hover()
    await expect(rob.line("nail").get_by_role("toolbar")).to_be_visible()
    await rob.page.locator("#room-title").hover()
    await expect(toolbar).to_have_count(0)
    # By the keyboard it stays where the focus is, wherever the mouse may lie.
    await rob.line("hammer").hover()
    await rob.page.keyboard.press("Escape")
    await rob.page.get_by_role("log").focus()
    await rob.page.keyboard.press("ArrowUp")
    await rob.page.keyboard.press("Tab")  # to its reaction
    await rob.page.keyboard.press("Tab")
    await rob.line("nail").hover()
    await expect(rob.line("saw").get_by_role("toolbar")).to_be_visible()


async def test_nothing_moves_between_a_press_and_its_click(visit, chat):
    """What comes meanwhile waits; who lets go elsewhere has closed nothing, and opened nothing."""
    async with Person("pusher", chat.url) as pusher:
        zak = await (await visit("zak")).arrive()
        await zak.create("Busy")
        await pusher.join("busy")
        for number in range(30):
            await pusher.says(f"line {number}", room="busy")
        chip = zak.line("line 29").locator(".chip")
        await zak.does("React with 👍", "line 29")
        await expect(chip).to_be_visible()
        mouse = zak.page.mouse
        box = await chip.bounding_box()
        await mouse.move(box["x"] + 4, box["y"] + 4)
        await mouse.down()
        await pusher.says("pushed up", room="busy")
        await pusher.says("and further", room="busy")
        arrived = "() => document.querySelector('#lines').textContent.includes('and further')"
        await zak.page.evaluate("""() => new Promise((resolve) => setTimeout(resolve, 100))""")
        assert not await zak.page.evaluate(arrived)
        await mouse.up()
        await expect(chip).to_have_count(0)  # it was clicked
        await zak.sees("pushed up", "and further")

        await zak.page.get_by_role("button", name="New room").click()
        title = zak.page.get_by_label("Room name")
        await title.fill("a long title that is selected")
        box = await title.bounding_box()
        await mouse.move(box["x"] + 150, box["y"] + 10)
        await mouse.down()
        await mouse.move(5, 5, steps=4)
        await mouse.up()
        await expect(title).to_be_visible()
        await mouse.click(5, 5)
        await expect(title).to_be_hidden()


async def test_a_tap_beside_a_drawer_closes_it_and_does_no_more(visit, chat):
    async with Person("under", chat.url) as under:
        tia = await (await visit("tia", **PHONE)).arrive()
        await under.says("beneath the shade")
        line = tia.line("beneath the shade")
        await tia.sees("beneath the shade")
        box = await line.bounding_box()
        await tia.page.get_by_role("button", name="People").tap()
        await expect(tia.page.locator("#people-panel.open")).to_be_visible()
        await tia.page.touchscreen.tap(box["x"] + 8, box["y"] + 8)
        await expect(tia.page.locator("#people-panel.open")).to_have_count(0)
        await expect(tia.page.get_by_role("toolbar")).to_have_count(0)


async def test_the_enter_that_ends_a_composition_sends_nothing(visit):
    """As Safari tells it: after the composition, with the input method's key code."""
    yuki = await (await visit("yuki")).arrive()
    page = yuki.page
    keys = await page.context.new_cdp_session(page)

    async def press(key: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            await keys.send(
                "Input.dispatchKeyEvent",
                {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 229},
            )

    field = page.get_by_label("Message", exact=True)
    await field.fill("にほん")
    await press("Enter")
    await expect(field).to_have_value("にほん")
    await expect(yuki.line("にほん")).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(yuki.line("にほん").get_by_label("Sent")).to_be_visible()
    await page.keyboard.press("ArrowUp")
    await expect(field).to_have_value("にほん")
    await press("Escape")  # ends a composition, not the editing
    await expect(field).to_have_value("にほん")
    await page.keyboard.press("Escape")
    await field.press_sequentially("@")
    names = page.get_by_role("listbox")
    if await names.is_visible():  # others are in the lobby
        await press("Enter")
        await expect(field).to_have_value("@")
        await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Search").first.click()
    await press("Escape")
    await expect(page.get_by_label("Search for")).to_be_visible()
