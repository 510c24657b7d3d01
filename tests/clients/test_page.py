"""The page in a browser, in front of the whole chat."""

import re

import pytest
from playwright.async_api import expect

from nochat.lab import chat as lab
from nochat.lab.people import Person
from nochat.local.processes import free_port
from tests.clients.visitor import PATIENCE, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_walk_through_the_chat(visit, chat):
    """In, write, react, edit, and into a private room with somebody else."""
    ana = await (await visit("walker")).arrive()
    async with Person("guide", chat.url) as guide:

        async def hears(**given):
            entries = guide.heard["lobby"].values
            await guide.until(lambda: any(given.items() <= entry.items() for entry in entries()))

        await guide.says("this way, @walker")
        await ana.does("React with 👍", "this way, @walker")
        await hears(type="reaction.changed", user="walker", emoji="👍", on=True)
        await ana.says("helo there, guide")
        await ana.does("Edit", "helo there, guide")
        await ana.page.get_by_label("Message", exact=True).fill("hello there, guide")
        await ana.page.keyboard.press("Enter")
        await hears(type="message.edited", user="walker", text="hello there, guide")
        await expect(ana.line("hello there, guide")).to_contain_text("(edited)")
        await ana.create("Back room", private=True)
        await ana.chooses("Invite somebody", of="More for this room")
        await ana.page.get_by_role("combobox").fill("guide")
        await ana.page.keyboard.press("Enter")
        await guide.until(lambda: "invited" in [event for event, _ in guide.told])
        [invited] = [data for event, data in guide.told if event == "invited"]
        await guide.join(invited["room"])
        await guide.says("nice here", room=invited["room"])
        await ana.sees("nice here")
        await expect(ana.page.locator("#people").get_by_role("listitem")).to_have_count(2)
    assert ana.transports == ["websocket"]


@pytest.mark.slow
async def test_two_users_talk(visit):
    ana = await (await visit("ana")).arrive()
    bob = await (await visit("bob")).arrive()
    await talk(ana, bob, "Kitchen")
    assert ana.transports == bob.transports == ["websocket"]


@pytest.mark.slow
async def test_the_door_says_what_is_wrong(visit):
    dora = await visit("dora", offline=True)
    await dora.page.goto(dora.url)
    name, password = (dora.page.get_by_label(field, exact=True) for field in ("Name", "Password"))
    await dora.sign("Create account", "short")
    await expect(password).to_have_accessible_description("A password has at least 8 characters.")
    await expect(password).to_be_focused()
    await dora.sign("Create account", "Password2026!")
    await expect(password).to_have_accessible_description(re.compile("easy to guess"))
    await dora.sign("Log in")
    await expect(password).to_have_accessible_description("wrong name or password")
    await dora.sign("Create account")
    await dora.is_in("Lobby")
    await dora.leave()
    await dora.sign("Create account")
    await expect(name).to_have_accessible_description(re.compile("taken"))
    await dora.sign("Log in")
    await dora.is_in("Lobby")


@pytest.mark.slow
async def test_a_reload_keeps_the_session_and_the_room(visit):
    rita = await (await visit("rita")).arrive()
    await rita.create("Reading room")
    await rita.says("still here")
    await rita.page.reload()
    await rita.is_in("Reading room")
    await rita.sees("still here")


@pytest.mark.slow
async def test_text_stays_text(visit):
    eve = await (await visit("eve")).arrive()
    text = "<img src=x onerror=\"document.title='broken'\"><script>alert(1)</script>"
    await eve.says(text)
    await eve.page.reload()
    await eve.sees(text)
    assert await eve.page.locator("#log img, #log script").count() == 0
    assert "broken" not in await eve.page.title()


@pytest.mark.slow
async def test_presence_and_typing(visit):
    tom = await (await visit("tom")).arrive()
    await tom.create("Two of us")
    uma = await (await visit("uma")).arrive()
    await uma.join("Two of us")
    people = tom.page.locator("#people")
    await expect(people.get_by_role("listitem").filter(has_text="uma")).to_contain_text("online")
    await uma.page.get_by_label("Message", exact=True).press_sequentially("well")
    await expect(tom.page.get_by_text("uma is typing…")).to_be_visible()
    await uma.page.close()
    await expect(people.get_by_role("listitem").filter(has_text="uma")).to_contain_text("offline")


@pytest.mark.slow
async def test_unread_and_mentions_are_counted_and_told(visit):
    mia = await (await visit("mia")).arrive()
    await mia.create("Office")
    ned = await (await visit("ned")).arrive()
    await ned.join("Office")
    await mia.create("Garden")
    office = mia.page.locator("#joined").get_by_role("button", name="Office")
    await ned.says("anybody there?")
    await expect(office.get_by_label("1 unread")).to_be_visible()
    await expect(mia.page).to_have_title(re.compile(r"^\(\d+\) Garden · NoChat$"))
    await ned.says("@mia, are you?")
    await expect(office.get_by_label("1 mention")).to_be_visible()
    notice = mia.page.get_by_role("button", name="ned mentioned you in Office")
    await notice.click()
    await mia.is_in("Office")
    await expect(mia.line("@mia, are you?").locator("mark.me")).to_have_text("@mia")
    await expect(office.locator(".badge")).to_be_hidden()
    await mia.open("Garden")
    await mia.page.reload()  # the chat knows what was read
    await mia.is_in("Garden")
    await expect(office.locator(".badge")).to_be_hidden()


@pytest.mark.slow
async def test_a_refused_message_is_shown_and_can_be_sent_again(visit):
    """A second tab leaves the room; the first does not hear of it, and writes."""
    kim = await visit("kim")

    async def withhold(route):
        server = route.connect_to_server()
        server.on_message(lambda data: None if "room.left" in str(data) else route.send(data))

    await kim.page.route_web_socket(re.compile("socket.io"), withhold)
    await kim.arrive()
    await kim.create("Club")
    second = type(kim)("kim", kim.url, await kim.page.context.new_page())
    await second.page.goto(kim.url)
    await second.open("Club")
    await second.chooses("Leave the room", of="More for this room")
    await expect(second.page.get_by_role("button", name="Join Club")).to_be_visible()

    line = await kim.writes("let me in")
    await expect(line).to_contain_text("Not sent: only members of the room may do this")
    await kim.leave()  # it would be forgotten with the session
    ask = kim.page.get_by_role("dialog", name="Log out with an unsent message?")
    await ask.get_by_role("button", name="Cancel").click()
    await kim.page.keyboard.press("Escape")
    await second.join("Club")
    await line.get_by_role("button", name="Retry").click()
    await expect(line.get_by_label("Sent")).to_be_visible()
    await second.sees("let me in")


@pytest.mark.slow
async def test_a_message_that_is_too_long_stays_in_its_field(visit):
    leo = await (await visit("leo")).arrive()
    await leo.writes("x" * 4001)
    await expect(leo.page.get_by_text("4001 of 4000 characters")).to_be_visible()
    await leo.says("x" * 4000)


@pytest.mark.slow
async def test_earlier_messages_come_page_by_page(visit, chat):
    async with Person("writer", chat.url) as writer:
        await writer.call("create", {"room": "archive", "title": "Archive"})
        await writer.until(lambda: "archive" in writer.heard)
        for number in range(130):
            await writer.says(f"message {number}", room="archive")
        reader = await (await visit("reader")).arrive()
        await reader.join("Archive")
        texts = reader.page.locator("#lines .text")
        await expect(texts.last).to_have_text("message 129")
        assert 30 <= await texts.count() < 130
        await expect(texts.last).to_be_in_viewport()
        earlier = reader.page.get_by_role("button", name="Earlier messages")
        while await earlier.is_visible():
            held = await texts.count()
            await earlier.click()
            await expect(texts.nth(held)).to_be_attached()
        assert await texts.all_text_contents() == [f"message {n}" for n in range(130)]


@pytest.mark.slow
async def test_a_page_that_was_away_gets_missed_messages(visit, chat):
    iris = await visit("iris", offline=True)
    away, routes = [], []

    async def cut(route):
        if away:
            await route.close()
        else:
            routes.append(route)
            route.connect_to_server()

    await iris.page.route_web_socket(re.compile("socket.io"), cut)
    await iris.arrive("?transports=websocket")
    await iris.create("Harbour")
    async with Person("jan", chat.url) as jan:
        await jan.join("harbour")
        await jan.says("before", room="harbour")
        await iris.sees("before")
        away.append(True)
        await routes[-1].close()
        banner = iris.page.get_by_text("The connection is lost")
        await expect(banner).to_be_visible()
        pending = await iris.writes("from the tunnel")
        await expect(pending).to_contain_text("Sending…")
        for number in range(5):
            await jan.says(f"while away {number}", room="harbour")
        away.clear()
        missed = [f"while away {number}" for number in range(5)]
        # By now the page pauses for seconds between two tries.
        await iris.sees(*missed, "from the tunnel", patience=3 * PATIENCE)
        await expect(banner).to_be_hidden()
        await jan.until(lambda: jan.texts("harbour")[-1:] == ["from the tunnel"])
        assert len(jan.texts("harbour")) == 7


@pytest.mark.slow
async def test_the_chat_restarts_and_nothing_is_lost(visit):
    with lab.start(port=free_port(), log_level="info") as chat:
        ana = await (await visit("ana", url=chat.url, offline=True)).arrive()
        bob = await (await visit("bob", url=chat.url, offline=True)).arrive()
        await ana.says("first")
        await bob.sees("first")
        chat.kill(lab.TOGETHER)
        for visitor in (ana, bob):
            await expect(visitor.page.get_by_text("The connection is lost")).to_be_visible()
            await visitor.writes(f"of {visitor.name}")
        chat.restart(lab.TOGETHER)
        for visitor in (ana, bob):
            line = visitor.line(f"of {visitor.name}")
            await expect(line.get_by_label("Sent")).to_be_visible(timeout=15_000)
        await expect(ana.line("of bob")).to_be_visible()
        await expect(bob.line("of ana")).to_be_visible()
        texts = [
            await person.page.locator("#lines .text").all_text_contents() for person in (ana, bob)
        ]
        assert texts[0] == texts[1]
        assert sorted(texts[0]) == ["first", "of ana", "of bob"]


@pytest.mark.slow
async def test_narrow_screen_and_keyboard_alone(visit):
    ute = await visit("ute", viewport={"width": 360, "height": 640})
    keys = ute.page.keyboard
    await ute.page.goto(ute.url)
    await expect(ute.page.get_by_label("Name", exact=True)).to_be_focused()
    await keys.type("ute")
    await keys.press("Tab")
    await keys.type("a good password")
    await keys.press("Tab")
    await keys.press("Tab")
    await keys.press("Enter")
    await ute.is_in("Lobby")
    await expect(ute.page.get_by_label("Message", exact=True)).to_be_focused()
    await keys.type("w" * 200)
    await keys.press("Enter")
    await ute.sees("w" * 200)
    rooms = ute.page.get_by_role("button", name="Rooms")
    await rooms.press("Enter")
    await expect(rooms).to_have_attribute("aria-expanded", "true")
    await keys.press("Escape")
    await expect(rooms).to_be_focused()
    assert await ute.page.evaluate("document.documentElement.scrollWidth") == 360
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await ute.page.evaluate(outline) == "solid"
    log = ute.page.get_by_role("log", name="Messages")
    await expect(log).to_have_attribute("aria-live", "polite")
