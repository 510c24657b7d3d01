"""What the page does with messages: reactions, changes, mentions, search, what waits to be sent."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from nochat.lab import chat as lab
from nochat.lab.people import Person
from nochat.local.processes import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_reactions_are_toggled_and_say_by_whom(visit):
    amy = await (await visit("amy")).arrive()
    await amy.create("Cinema")
    ben = await (await visit("ben")).arrive()
    await ben.join("Cinema")
    await amy.says("popcorn?")
    await ben.does("React with 👍", "popcorn?")
    chip = amy.line("popcorn?").get_by_role("button", name="👍, 1: ben")
    await expect(chip).to_have_attribute("aria-pressed", "false")
    await chip.click()
    both = "👍, 2: ben and amy"
    for visitor in (amy, ben):
        await expect(visitor.line("popcorn?").get_by_role("button", name=both)).to_be_visible()
    await ben.does("React", "popcorn?")
    await ben.line("popcorn?").get_by_role("button", name="React with 🎉").click()
    await expect(amy.line("popcorn?").get_by_role("button", name="🎉, 1: ben")).to_be_visible()
    await ben.line("popcorn?").get_by_role("button", name=both).click()
    await expect(amy.line("popcorn?").get_by_role("button", name="👍, 1: amy")).to_be_visible()
    await ben.page.reload()
    await expect(ben.line("popcorn?").locator(".chip")).to_have_text(["👍1", "🎉1"])


async def test_a_finger_reacts_and_deletes(visit):
    """A tap on a message brings its toolbar; nothing needs a mouse over it."""
    tess = await visit("tess", has_touch=True, viewport={"width": 360, "height": 740})
    await tess.arrive()
    await tess.page.get_by_role("button", name="Rooms").tap()
    await tess.create("Pocket")
    await tess.says("by thumb")
    line = tess.line("by thumb")
    await expect(tess.page.get_by_role("toolbar")).to_have_count(0)
    await line.locator(".text").tap()
    await line.get_by_role("button", name="React with ❤️").tap()
    await expect(line.get_by_role("button", name="❤️, 1: tess")).to_be_visible()
    await line.get_by_role("button", name="Delete").tap()
    await tess.page.get_by_role("dialog").get_by_role("button", name="Delete").tap()
    await expect(tess.page.get_by_text("Message deleted")).to_be_visible()


async def test_the_last_message_is_edited_from_the_keyboard(visit):
    eli = await (await visit("eli")).arrive()
    await eli.create("Draft")
    fay = await (await visit("fay")).arrive()
    await fay.join("Draft")
    await eli.says("first")
    field = eli.page.get_by_label("Message", exact=True)
    # Whoever sees the mistake while sending it is as fast as this: it has no position yet.
    for key in (*"helo", "Enter", "ArrowUp"):
        await eli.page.keyboard.press(key)
    await expect(field).to_have_value("helo")
    await field.fill("nonsense")
    await field.press("Escape")
    await expect(field).to_have_value("")
    await field.press("ArrowUp")
    await field.fill("hello")
    await field.press("Enter")
    await expect(fay.line("hello")).to_contain_text("(edited)")
    await expect(field).to_have_value("")
    await fay.page.reload()
    await expect(fay.line("hello")).to_contain_text("(edited)")
    await expect(fay.line("hello").get_by_role("toolbar")).to_have_count(0)
    await fay.line("hello").hover()
    await expect(fay.page.get_by_role("button", name="Edit")).to_have_count(0)


async def test_deleting_asks_first_and_the_owner_may(visit):
    kai = await (await visit("kai")).arrive()
    await kai.create("Hall")
    leo = await (await visit("lea")).arrive()
    await leo.join("Hall")
    await leo.says("oops")
    await leo.says("spam")
    await leo.does("Delete", "oops")
    asked = leo.page.get_by_role("dialog", name="Delete this message?")
    await leo.page.keyboard.press("Escape")
    await expect(leo.line("oops")).to_be_visible()
    await leo.does("Delete", "oops")
    await asked.get_by_role("button", name="Delete").click()
    await kai.does("Delete", "spam")
    await kai.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for visitor in (kai, leo):
        await expect(visitor.page.get_by_text("Message deleted")).to_have_count(2)
        await expect(visitor.page.get_by_text("spam")).to_have_count(0)
    await kai.page.reload()
    await expect(kai.page.get_by_text("Message deleted")).to_have_count(2)


async def test_a_name_is_completed_while_it_is_written(visit, chat):
    async with Person("Zoë.Z", chat.url) as zoe, Person("Zeno", chat.url):
        max_ = await (await visit("max")).arrive()
        await zoe.until(lambda: any(e.get("user") == "max" for e in zoe.heard["lobby"].values()))
        field = max_.page.get_by_label("Message", exact=True)
        names = max_.page.get_by_role("listbox", name="People to mention")
        await field.press_sequentially("hi @z")
        await expect(names.get_by_role("option")).to_have_count(2)
        first = names.get_by_role("option").first
        await expect(first).to_have_attribute("aria-selected", "true")
        await field.press("ArrowDown")
        await expect(first).to_have_attribute("aria-selected", "false")
        await field.press("Escape")
        await expect(names).to_be_hidden()
        await field.press_sequentially("o")
        await field.press("Tab")
        await expect(field).to_have_value("hi @Zoë.Z ")
        await field.press_sequentially("!")
        await field.press("Enter")
        await zoe.until(lambda: any(event == "notified" for event, _ in zoe.told))
        await expect(max_.line("hi @Zoë.Z !").locator("mark")).to_have_text("@Zoë.Z")


async def test_a_line_marks_the_first_unread_message(visit, chat):
    async with Person("postie", chat.url) as postie:
        pat = await (await visit("pat")).arrive()
        await pat.create("Letters")
        await postie.join("letters")
        await postie.says("old news", room="letters")
        await pat.sees("old news")
        await pat.open("Lobby")
        await postie.says("a letter", room="letters")
        await postie.says("a parcel", room="letters")
        unread = pat.page.get_by_role("button", name="Letters").get_by_label("2 unread")
        await expect(unread).to_be_visible()
        await pat.open("Letters")
        lines = await pat.page.locator("#lines > .message, #lines > .seam").all_text_contents()
        assert ["old news" in lines[0], lines[1], "a letter" in lines[2]] == [True, "New", True]


async def test_messages_that_arrive_out_of_sight_stay_unread(visit, chat):
    nora = await (await visit("nora")).arrive()
    await nora.create("Quay")
    async with Person("olaf", chat.url) as olaf:
        await olaf.join("quay")
        for number in range(40):
            await olaf.says(f"ship {number}", room="quay")
        await expect(nora.line("ship 39")).to_be_in_viewport()
        second = await nora.page.context.new_page()
        await second.goto(chat.url)
        await second.locator("#joined").get_by_role("button", name="Lobby").click()
        badges = [
            page.locator("#joined").get_by_role("button", name="Quay").locator(".badge")
            for page in (nora.page, second)
        ]
        await nora.page.bring_to_front()
        newest = nora.page.locator("#newest")
        async with asyncio.timeout(20):
            while await newest.is_hidden():  # what is shown just then pulls it down again
                await nora.page.locator("#log").evaluate("(log) => (log.scrollTop = 0)")
        for number in range(40, 42):
            await olaf.says(f"ship {number}", room="quay")
        for badge in badges:
            await expect(badge).to_have_accessible_name("2 unread")
        await newest.click()
        await expect(nora.line("ship 41")).to_be_in_viewport()
        for badge in badges:
            await expect(badge).to_be_hidden()


async def test_nobody_types_for_ever_because_a_clock_was_set_back(visit, chat):
    tove = await (await visit("tove")).arrive()
    async with Person("ulf", chat.url) as ulf:
        await ulf.call("typing", {"room": "lobby"})
        typing = tove.page.get_by_text("ulf is typing…")
        await expect(typing).to_be_visible()
        set_back = "() => { const now = Date.now; Date.now = () => now() - 3_600_000; }"
        await tove.page.evaluate(set_back)
        await expect(typing).to_be_hidden(timeout=10_000)


async def test_a_result_of_a_search_is_opened_in_its_room(visit, chat):
    """The message is hundreds of messages back: they are loaded until it is there."""
    async with Person("historian", chat.url) as historian:
        await historian.call("create", {"room": "annals", "title": "Annals"})
        await historian.until(lambda: "annals" in historian.heard)
        await historian.says("the <b>Great</b> fire of Rome", room="annals")
        for number in range(420):
            await historian.says(f"year {number}", room="annals")
        nero = await (await visit("nero")).arrive()
        await nero.says("no fire here")
        await nero.join("Annals")
        await nero.page.get_by_role("button", name="Search").first.click()
        panel = nero.page.get_by_role("complementary", name="Search")
        field = panel.get_by_label("Search for")
        await expect(field).to_be_focused()
        await field.fill("fire")
        await field.press("Enter")
        await expect(panel.get_by_role("status")).to_have_text("2 messages")
        await panel.get_by_label("Where").select_option("In this room")
        await field.fill("great FI")
        await field.press("Enter")
        result = panel.get_by_role("button", name="historian · Annals")
        await expect(result.locator("mark")).to_have_text(["Great", "fire"])
        await nero.open("Lobby")
        await result.click()
        await nero.is_in("Annals")
        line = nero.line("the <b>Great</b> fire of Rome")
        await expect(line).to_be_in_viewport()
        await expect(line).to_have_class(re.compile("found"))
        await expect(line).to_be_focused()
        await nero.page.get_by_role("button", name="To the newest").click()
        await expect(nero.line("year 419")).to_be_in_viewport()
        await field.fill("nothing like it")
        await field.press("Enter")
        await expect(panel.get_by_text("Nothing found.")).to_be_visible()


async def test_thousands_of_messages_stay_usable(visit, chat):
    """2,000 loaded: a few hundred of them are in the document, and writing stays quick."""
    async with Person("crowd", chat.url) as crowd:
        await crowd.call("create", {"room": "stadium", "title": "Stadium"})
        await crowd.until(lambda: "stadium" in crowd.heard)
        fan = await (await visit("fan")).arrive()
        await fan.join("Stadium")
        await crowd.says("goal 0", room="stadium")
        for hundred in range(20):
            goals = (f"goal {hundred}-{number}" for number in range(100))
            await asyncio.gather(*(crowd.says(goal, room="stadium") for goal in goals))
        await crowd.says("goal 1999", room="stadium")
        await expect(fan.line("goal 1999")).to_be_in_viewport(timeout=20_000)
        lines = fan.page.locator("#lines > li")
        assert await lines.count() < 310
        reach_the_top = """async () => {
            const log = document.getElementById("log");
            for (let turn = 0; turn < 60 && !document.querySelector(".note"); turn++) {
              log.scrollTop = 0;
              await new Promise((resolve) => setTimeout(resolve, 30));
            }
        }"""
        await fan.page.evaluate(reach_the_top)
        await expect(fan.line("goal 0")).to_be_attached()
        assert await lines.count() < 310
        await crowd.says("a late one", room="stadium")
        newest = fan.page.get_by_role("button", name="New messages")
        await expect(newest).to_be_visible()
        await newest.click()
        await expect(fan.line("a late one")).to_be_in_viewport()
        took = await fan.page.evaluate("""async () => {
            const began = performance.now();
            const text = document.getElementById("text");
            text.value = "mine";
            document.getElementById("composer").requestSubmit();
            const shown = () => document.querySelector("#lines > li:last-child .text").textContent;
            while (shown() !== "mine") {
              await new Promise(requestAnimationFrame);
            }
            return performance.now() - began;
        }""")
        assert took < 500


async def test_throttled_messages_are_sent_again_by_themselves(visit):
    with lab.start(port=free_port(), log_level="info", user_rate="2") as chat:
        amir = await (await visit("amir", url=chat.url, offline=True)).arrive()
        texts = [f"quick {number}" for number in range(14)]
        for text in texts:
            await amir.writes(text)
        await expect(amir.page.get_by_text("Sending…").first).to_be_visible()
        await expect(amir.line(texts[-1]).get_by_label("Sent")).to_be_visible(timeout=20_000)
        await amir.sees(*texts)
        await expect(amir.page.get_by_text("Not sent")).to_have_count(0)


async def test_unsent_messages_survive_a_reload(visit):
    """But not its writer's log-out."""
    vera = await visit("vera", offline=True)
    away, routes = [], []

    async def cut(route):
        if away:
            await route.close()
        else:
            routes.append(route)
            route.connect_to_server()

    async def lose_connection():
        away.append(True)
        await routes[-1].close()
        await expect(vera.page.get_by_text("The connection is lost")).to_be_visible()

    await vera.page.route_web_socket(re.compile("socket.io"), cut)
    await vera.arrive("?transports=websocket")
    await lose_connection()
    await expect(await vera.writes("kept")).to_contain_text("Sending…")
    away.clear()
    await vera.page.reload()
    await vera.is_in("Lobby")
    await expect(vera.line("kept").get_by_label("Sent")).to_be_visible()
    await vera.sees("kept")
    await lose_connection()
    await vera.writes("forgotten")
    await vera.leave()
    ask = vera.page.get_by_role("dialog", name="Log out with an unsent message?")
    await ask.get_by_role("button", name="Log out").click()
    away.clear()
    await vera.sign("Log in")
    await vera.is_in("Lobby")
    await vera.sees("kept")
    await expect(vera.line("forgotten")).to_have_count(0)
