"""The management page in a browser, in front of the whole chat."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from sqlalchemy import insert

from nochat.cli.promote import promote
from nochat.lab.chat import RATES
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.protocol.reasons import unavailable
from nochat.runtime import bootstrap, registry
from nochat.service import Service
from nochat.services.users import database
from nochat.settings import Settings
from nochat.stores.users import UserStore
from nochat.stores.users_schema import users

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TABS = ["system", "dead-letters", "users", "rooms", "log", "trends"]
PASSWORD = "a good password"


@dataclass
class House:
    """The chat in this process, with a service that chokes on poison until it is mended."""

    settings: Settings
    url: str = ""
    ill: bool = True
    eaten: list[str] = field(default_factory=list)


def picky(house: House) -> Service:
    service = Service("picky")

    @service.on(MessageSent)
    async def eat(said: MessageSent) -> None:
        if house.ill and "poison" in said.text:
            raise ValueError("poison is bad for me")
        house.eaten.append(said.text)

    return service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory) -> AsyncIterator[House]:
    folder = str(tmp_path_factory.mktemp("house"))
    free = dict.fromkeys(RATES, 0.0)
    settings = Settings(bus_url=f"memory://{new_id()}", data_dir=folder, port=0, **free)
    house = House(settings)
    wanted = [*registry.services(registry.names(settings)), picky(house)]
    async with bootstrap.started(wanted, settings) as house.url:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def people(house) -> AsyncIterator:
    """Lets people in."""
    async with AsyncExitStack() as stack:

        async def enter(name: str) -> Person:
            return await stack.enter_async_context(Person(name, house.url))

        yield enter


async def log_in(page: Page, url: str, name: str) -> int:
    account = {"user": name, "password": PASSWORD}
    said = await page.request.post(f"{url}/api/register", data=account)
    if said.status == 409:
        said = await page.request.post(f"{url}/api/login", data=account)
    return said.status


@pytest.fixture
def manage(visit, house):
    """A manager's page, open at a tab."""

    async def manage(tab: str = "system", name: str = "boss", **profile) -> Page:
        page = (await visit(name, url=house.url, **profile)).page
        await log_in(page, house.url, name)
        promote(house.settings, name)
        await page.goto(f"{house.url}/manage#{tab}")
        await expect(page.locator(f"#{tab}")).to_be_visible()
        return page

    return manage


@asynccontextmanager
async def confirming(page: Page, button: str):
    """Press a button, see what is asked, and say yes with the button of that name."""
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    yield dialog
    await dialog.get_by_role("button", name=button, exact=True).click()


async def faults(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds serious, and where."""
    await page.evaluate(AXE.read_text())
    violations = await page.evaluate("axe.run().then(found => found.violations)")
    grave = [
        violation for violation in violations if violation["impact"] in ("serious", "critical")
    ]
    return [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in grave]


def row(page: Page, table: str, name: str):
    header = page.get_by_role("rowheader", name=name, exact=True)
    return page.locator(f"#{table} tr", has=header)


# ---- the system at work -------------------------------------------------------------------------


async def test_a_manager_sees_the_services_and_how_much_they_do(manage, people, house):
    page = await manage()
    names = [*registry.names(house.settings), "picky"]
    await expect(page.locator("#figure-services")).to_have_text(f"{len(names)} of {len(names)}")
    for name in names:
        await expect(row(page, "service-rows", name)).to_have_count(1)
    ana = await people("ana")
    number = 0
    handled = page.locator(".service", has_text="controller").locator("text.in")
    while not re.search(r"in [1-9]", await handled.text_content() or ""):
        await ana.says(f"number {number}")
        number += 1
    await expect(page.locator(".dots.in:not([data-level='0'])").first).to_be_attached()
    await expect(row(page, "event-rows", "message.sent")).to_contain_text(re.compile(r"[\d.]+/s"))
    assert await page.locator("#event-rows polyline").count() > 3
    queue = row(page, "queue-rows", "picky")
    await expect(queue.locator("td").last).to_have_text("1")
    await expect(page.get_by_role("img", name=re.compile("^Diagram of the"))).to_be_visible()


async def test_the_page_says_what_runs_and_counts_no_reports(manage, house):
    """Of this chat: a bus in memory, SQLite, the embedded MongoDB stand-in, a folder."""
    page = await manage()
    diagram = page.get_by_role("img", name=re.compile("^Diagram of the"))
    await expect(diagram).to_have_accessible_name(re.compile("Built-in bus"))
    await expect(diagram.locator(".broker > .title")).to_have_text("Built-in bus")
    stores = diagram.locator(".store text")
    await expect(stores).to_have_count(3)
    assert sorted(await stores.all_text_contents()) == ["Folder", "SQLite", "nx-27017"]
    await expect(page.locator("#event-rows tr")).not_to_have_count(0)
    await expect(row(page, "event-rows", "service.reported")).to_have_count(0)
    # A service that reports on itself, and does nothing else, has published nothing.
    await expect(row(page, "service-rows", "picky").locator("td").nth(5)).to_have_text("0 (0/s)")
    await expect(diagram).not_to_contain_text(re.compile("RabbitMQ|MariaDB"))
    answer = await page.request.get(f"{house.url}/api/manage/services")
    assert house.settings.data_dir not in await answer.text()


async def test_to_pause_holds_all_of_it(manage, people):
    page = await manage()
    await expect(page.locator("#moment")).to_contain_text("as of")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#moment")).to_contain_text("paused at")
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    go_on = page.get_by_role("button", name="Resume")
    await expect(go_on).to_have_attribute("aria-pressed", "true")
    moving = "e => getComputedStyle(e).animationPlayState"
    assert await page.locator(".dots").first.evaluate(moving) == "paused"
    assert not asked
    async with page.expect_response("**/api/manage/services"):
        await go_on.click()
    await expect(page.locator("#moment")).to_contain_text("as of")


async def test_trouble_is_said_while_it_goes_on_asking(manage):
    page = await manage(name="boss", offline=True)
    await expect(page.locator("#figure-services")).not_to_be_empty()
    services = "**/api/manage/services"
    await page.route(services, lambda route: route.abort())
    banner = page.locator("#banner")
    await expect(banner).to_contain_text("The chat sends no data (the chat does not answer)")
    await page.unroute(services)
    away = unavailable("activity").answer
    await page.route(services, lambda route: route.fulfill(status=503, json=away))
    await expect(banner).to_contain_text("a part of the chat does not answer now")
    await page.unroute(services)
    await expect(banner).to_be_empty()


@pytest.mark.timeout(180)
async def test_a_service_is_killed_and_its_queue_grows(visit, real_chat):
    """On RabbitMQ, each service in a process of its own."""
    page = (await visit("chief", url=real_chat.url, offline=True)).page
    assert await log_in(page, real_chat.url, "chief") == 200
    real_chat.promote("chief")
    await page.goto(f"{real_chat.url}/manage")
    alarm = page.locator("#alarm")
    await expect(page.locator("#figure-services")).to_contain_text(" of ")
    await expect(row(page, "service-rows", "notifications")).to_have_count(1)
    await expect(page.locator("#diagram .broker > .title")).to_have_text("RabbitMQ")
    await expect(page.locator("#diagram .store", has_text="MariaDB")).to_have_count(1)
    await expect(alarm).to_be_empty(
        timeout=20_000
    )  # each has reported: who never was is not missed
    async with Person("walter", real_chat.url) as walter:
        real_chat.kill("notifications")
        for number in range(20):
            await walter.says(f"number {number}")
        waiting = row(page, "queue-rows", "notifications").locator("td").first
        await expect(waiting).to_have_text(re.compile(r"^[1-9]\d*$"), timeout=20_000)
        await expect(alarm).to_have_text("Not running: notifications", timeout=20_000)
        box = page.locator(".service.stopped")
        await expect(box).to_contain_text("not running")
        await expect(box.locator(".gone")).to_have_count(1)
        await expect(row(page, "service-rows", "notifications")).to_contain_text("gone")
        await page.reload()  # also who comes later is told
        await expect(alarm).to_have_text("Not running: notifications")
        real_chat.restart("notifications")
        await expect(alarm).to_be_empty(timeout=20_000)
        await expect(waiting).to_have_text("0")


# ---- dead letters -------------------------------------------------------------------------------


async def test_poison_becomes_a_dead_letter_and_is_replayed_when_the_cause_is_gone(
    manage, people, house
):
    house.ill = True
    page = await manage()
    ana = await people("ana")
    await ana.says("poison, <b>said</b> ana")
    await expect(page.locator("#letters-badge")).to_have_text("1")
    await page.get_by_role("tab", name="Dead letters").click()
    letter = page.locator("#letters > li")
    await expect(letter).to_have_count(1)
    await expect(letter.get_by_role("heading")).to_have_text("message.sent for picky")
    await expect(letter).to_contain_text("ValueError: poison is bad for me")
    await letter.get_by_text("Content").click()
    await expect(letter.locator("pre")).to_contain_text('"text": "poison, <b>said</b> ana"')

    house.ill = False
    await letter.get_by_role("button", name="Replay").click()
    async with confirming(page, "Replay") as asked:
        await expect(asked).to_contain_text("Replay this message?")
    await expect(page.locator("#letters-told")).to_have_text("It is in the queue picky again.")
    await expect(page.get_by_text("There are none.")).to_be_visible()
    await expect(page.locator("#letters-badge")).to_be_hidden()
    assert house.eaten.count("poison, <b>said</b> ana") == 1


async def test_a_dead_letter_is_discarded_and_only_that_one(manage, people, house):
    house.ill = True
    page = await manage("dead-letters")
    ana = await people("ana")
    await ana.says("first poison")
    await ana.says("second poison")
    letters = page.locator("#letters > li")
    await expect(letters).to_have_count(2)
    first, second = (letters.filter(has_text=f"{which} poison") for which in ("first", "second"))
    await second.get_by_role("button", name="Discard").click()
    await page.keyboard.press("Escape")  # no
    await expect(letters).to_have_count(2)
    await second.get_by_role("button", name="Discard").click()
    async with confirming(page, "Discard") as asked:
        await expect(asked).to_contain_text("You can't get it back.")
    await expect(letters).to_have_count(1)
    await expect(page.locator("#letters-told")).to_have_text("It is discarded.")
    await first.get_by_role("button", name="Discard").click()
    async with confirming(page, "Discard"):
        pass
    await expect(letters).to_have_count(0)
    assert "second poison" not in house.eaten


# ---- users --------------------------------------------------------------------------------------


async def test_banned_users_are_logged_out_at_once_and_can_be_let_in_again(manage, visit, house):
    bert = await (await visit("bert", url=house.url, offline=True)).arrive()
    page = await manage("users")
    await page.get_by_label("Name begins with").fill("be")
    await expect(row(page, "user-rows", "boss")).to_contain_text("this is you")
    of_bert = row(page, "user-rows", "bert")
    await of_bert.get_by_role("button", name="Ban").click()
    async with confirming(page, "Ban") as asked:
        await expect(asked).to_contain_text("Ban bert from the chat?")
    await expect(page.locator("#users-told")).to_have_text("bert is banned.")
    await expect(of_bert).to_contain_text("banned")
    await expect(bert.page.get_by_role("button", name="Log in")).to_be_visible()
    await expect(bert.page.get_by_text("this account is banned")).to_be_visible()
    assert await log_in(bert.page, house.url, "bert") == 401

    await of_bert.get_by_role("button", name="Let in again").click()
    async with confirming(page, "Let in again"):
        pass
    await expect(page.locator("#users-told")).to_have_text("bert can log in again.")
    assert await log_in(bert.page, house.url, "bert") == 200


async def test_a_user_becomes_a_manager_and_a_user_again(manage, visit, house):
    page = await manage("users")
    eva = (await visit("eva", url=house.url, offline=True)).page
    await log_in(eva, house.url, "eva")
    await page.get_by_label("Name begins with").fill("eva")
    of_eva = row(page, "user-rows", "eva")
    both = ("Make manager", "manager"), ("Make user", "user")
    for (button, role), (other, _) in zip(both, reversed(both), strict=True):
        await of_eva.get_by_role("button", name=button).click()
        async with confirming(page, button):
            pass
        await expect(of_eva.get_by_role("button", name=other)).to_be_visible()
        assert (await (await eva.request.get(f"{house.url}/api/me")).json())["role"] == role
        if role == "manager":
            await eva.goto(f"{house.url}/manage")
            await expect(eva.locator("#figure-services")).not_to_be_empty()
    await expect(eva.get_by_text("eva is not a manager")).to_be_visible()  # without a reload


def create(house: House, names: list[str]) -> None:
    """Accounts that nobody can log in to: to hash 60 passwords takes its time."""
    row = {"password": "", "created": 0.0}
    rows = [row | {"name": name, "folded": name} for name in names]
    with closing(UserStore(database(house.settings))) as store, store._transaction() as connection:
        connection.execute(insert(users), rows)


async def test_many_users_come_by_pages(manage, house):
    page = await manage("users")
    create(house, [f"many{number:02}" for number in range(60)])
    await page.get_by_label("Name begins with").fill("many")
    rows = page.locator("#user-rows tr")
    await expect(rows.first).to_contain_text("many00")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="More users").click()
    await expect(rows).to_have_count(60)
    await page.get_by_label("Name begins with").fill("nobody at all")
    await expect(page.get_by_text("Nobody has a name like this.")).to_be_visible()


async def test_the_log_of_accounts_is_looked_through(manage, people, house):
    await people("lola")
    page = await manage("log")
    wrong = {"user": "lola", "password": "not hers"}
    assert (await page.request.post(f"{house.url}/api/login", data=wrong)).status == 401
    rows = page.locator("#log-rows tr")
    await page.get_by_label("Name", exact=True).fill("Lola")
    await expect(rows.filter(has_text="Account created")).to_have_count(1)
    await page.get_by_label("What happened").select_option("Log-in refused")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("lola")
    await expect(page.locator("#log")).to_contain_text("Kept for 90 days.")
    await page.get_by_label("Name", exact=True).fill("nobody at all")
    await expect(page.get_by_text("There is nothing like this in the log.")).to_be_visible()


# ---- rooms --------------------------------------------------------------------------------------


async def test_a_member_is_muted_and_removed(manage, people):
    ana, bob = await people("ana"), await people("bob")
    await ana.call("create", {"room": "club", "title": "The club", "private": False})
    await bob.join("club")
    page = await manage("rooms")
    room = page.locator("#room-list > li", has_text="The club")
    await expect(room).to_contain_text("owner ana")
    await expect(room).to_contain_text("2 members")
    await room.locator("summary").click()
    await room.get_by_role("button", name="Mute: bob").click()
    await expect(page.locator("#rooms-told")).to_have_text("bob is muted in The club.")
    await expect(room.get_by_role("button", name="Unmute: bob")).to_be_visible()
    await bob.says("may I?", "club")
    await bob.until(lambda: any(event == "rejected" for event, _ in bob.told))

    await room.get_by_role("button", name="Remove: bob").click()
    async with confirming(page, "Remove") as asked:
        await expect(asked).to_contain_text("Remove bob from The club?")
    await expect(room).to_contain_text("1 member")
    await expect(page.locator("#rooms-told")).to_have_text("bob is removed from The club.")
    await bob.until(
        lambda: any(entry.get("action") == "kick" for entry in bob.heard["club"].values())
    )


async def test_a_ban_from_a_room_is_lifted(manage, people):
    ana, bob = await people("ana"), await people("bob")
    await ana.call("create", {"room": "attic", "title": "Attic", "private": False})
    await bob.join("attic")
    page = await manage("rooms")
    await page.get_by_label("Filter by title").fill("att")
    room = page.locator("#room-list > li")
    await expect(room).to_have_count(1)
    await room.locator("summary").click()
    await room.get_by_role("button", name="Ban: bob").click()
    async with confirming(page, "Ban"):
        pass
    await expect(room.get_by_role("heading", name="Banned")).to_be_visible()
    await room.get_by_role("button", name="Lift the ban: bob").click()
    await expect(page.locator("#rooms-told")).to_have_text("bob may join Attic again.")
    await expect(room.get_by_role("heading", name="Banned")).to_be_hidden()
    await bob.join("attic")


async def test_a_room_is_deleted_for_everybody(manage, people):
    ana, bob = await people("ana"), await people("bob")
    for number in range(52):
        await ana.call("create", {"room": f"spam-{number:02}", "title": f"Spam {number}"})
    await bob.join("spam-51")
    page = await manage("rooms")
    rooms = page.locator("#room-list > li")
    await expect(rooms.filter(has_text="Lobby")).to_have_count(1)
    await page.get_by_label("Filter by title").fill("spam")
    await expect(rooms.filter(has_text="Lobby")).to_have_count(0)
    await expect(rooms).to_have_count(50)
    await page.get_by_role("button", name="More rooms").click()
    await expect(rooms).to_have_count(52)
    room = rooms.filter(has_text="Spam 51")
    await room.locator("summary").click()
    await room.get_by_role("button", name="Delete the room: Spam 51").click()
    async with confirming(page, "Delete the room") as asked:
        await expect(asked).to_contain_text("Delete Spam 51?")
    await expect(page.locator("#rooms-told")).to_have_text("Spam 51 is deleted.")
    await expect(rooms).to_have_count(51)
    await bob.until(lambda: "room.deleted" in str(bob.heard["spam-51"]))
    await page.get_by_label("Filter by title").fill("lobby")
    await expect(rooms).to_have_count(1)
    await rooms.locator("summary").click()
    await expect(page.get_by_role("button", name="Delete the room: Lobby")).to_be_hidden()


# ---- trends -------------------------------------------------------------------------------------


async def test_trends_are_drawn_and_told(manage, people):
    tia = await people("tia")
    for _ in range(3):
        await tia.says("cucumber")
    page = await manage("trends")
    users = page.get_by_role("table", name="Who writes most")
    await expect(users.get_by_role("row", name=re.compile(r"^tia .*3$"))).to_be_visible()
    words = page.get_by_role("table", name="Words used most")
    await expect(words).to_contain_text("cucumber")
    wide = "e => e.getBoundingClientRect().width"
    assert await words.locator("rect").first.evaluate(wide) > 10
    hours = page.get_by_role("img", name=re.compile(r"^Messages by hour.*Most at \d+:00 UTC"))
    assert await hours.locator("rect").count() == 24
    await page.get_by_text("As a table").click()
    await expect(page.get_by_role("table", name="Messages by hour")).to_be_visible()
    async with page.expect_response(lambda said: "trends?since=1" in said.url):
        await page.get_by_label("Time span").select_option("the last hour")
    await expect(words).to_contain_text("cucumber")


# ---- who may, how it is used --------------------------------------------------------------------


async def test_only_managers_see_it(visit, house):
    page = (await visit("nina", url=house.url, offline=True)).page
    await page.goto(f"{house.url}/manage")
    await expect(page.get_by_text("Log in on the chat's page first")).to_be_visible()
    services = f"{house.url}/api/manage/services"
    assert (await page.request.get(services)).status == 401
    await log_in(page, house.url, "nina")
    await page.reload()
    await expect(page.get_by_text("nina is not a manager")).to_be_visible()
    assert await faults(page) == []
    await expect(page.locator("#manage")).to_be_hidden()
    assert (await page.request.get(services)).status == 403
    await page.get_by_role("main").get_by_role("link", name="To the chat").click()
    await expect(page).to_have_url(f"{house.url}/")


async def test_the_tabs_by_keyboard_and_by_address(manage):
    page = await manage("users")
    await page.get_by_role("tab", name="Users").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page).to_have_url(re.compile("#rooms$"))
    await expect(page.get_by_role("tab", name="Rooms")).to_be_focused()
    await expect(page.get_by_role("tabpanel", name="Rooms")).to_be_visible()
    await page.keyboard.press("End")
    await expect(page.get_by_role("tabpanel", name="Trends")).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tabpanel", name="The system at work")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("tabpanel", name="Trends")).to_be_visible()
    await page.get_by_role("link", name="Skip to the content").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#trends")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_it(manage, people, house, scheme):
    """axe-core finds nothing serious in any tab, at 360 pixels nothing sticks out."""
    house.ill = True
    await (await people("ana")).says("poison again")
    profile = {"color_scheme": scheme, "viewport": {"width": 360, "height": 740}}
    page = await manage(**profile)
    await expect(page.locator("#letters-badge")).to_be_visible()
    for tab in TABS:
        await page.goto(f"{house.url}/manage#{tab}")
        await expect(page.locator(f"#{tab}")).to_be_visible()
        full = {"system": "#service-rows tr", "users": "#user-rows tr", "trends": ".plot"}
        full["log"] = "#log-rows tr"
        await expect(page.locator(full.get(tab, f"#{tab} summary")).first).to_be_visible()
        if tab in ("dead-letters", "rooms"):
            await page.locator(f"#{tab} summary").first.click()
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await page.goto(f"{house.url}/manage#dead-letters")
    await page.get_by_role("button", name="Discard").first.click()
    async with confirming(page, "Discard"):
        pass
    await expect(page.locator("#letters > li")).to_have_count(0)


async def test_in_spanish_dark_and_without_motion(manage):
    page = await manage(reduced_motion="reduce")
    await page.get_by_label("Language", exact=True).select_option("Español")
    await expect(page.get_by_role("tab", name="El sistema en marcha")).to_be_visible()
    await expect(page.locator("#moment")).to_contain_text("a las")
    await expect(page.locator(".service text.in").first).to_contain_text("entra")
    await expect(page.locator("body")).not_to_contain_text("undefined")
    await page.get_by_label("Tema", exact=True).select_option("dark")
    await page.reload()  # the chat's own page keeps the same choices
    await expect(page).to_have_title("NoChat: Administración")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    moving = page.locator(".dots:not([data-level='0'])").first
    await expect(moving).to_be_attached()
    await expect(moving).to_be_hidden()
