"""What the page says of rooms: badges, who came, empty rooms, days, the tab's title."""

import re
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_a_direct_message_is_counted_alike_live_and_after_a_reload(visit, chat):
    ivy = await (await visit("ivy")).arrive()
    async with Person("postman", chat.url) as postman:
        room = (await postman.call("direct", {"user": "ivy"}))["room"]
        await postman.until(lambda: room in postman.heard)
        for text in ("one", "two"):
            await postman.says(text, room=room)
        badge = ivy.page.locator("#directs .badge")
        for _ in range(2):
            await expect(badge).to_have_text("2")
            await expect(badge).to_have_accessible_name("2 unread")
            await expect(ivy.page).to_have_title("(2) Lobby · NoChat")
            await ivy.page.reload()
            await ivy.is_in("Lobby")
        await ivy.page.locator("#directs").get_by_role("button", name="postman").click()
        await expect(ivy.page).to_have_title("postman · NoChat")


async def test_joins_are_grouped_into_one_line_that_opens(visit, chat):
    ada = await (await visit("ada")).arrive()
    await ada.create("Party")
    async with AsyncExitStack() as stack:
        guests = [
            await stack.enter_async_context(Person(f"guest-{number}", chat.url))
            for number in range(8)
        ]
        notes = ada.page.locator("#lines > .note")
        for guest in guests:
            await guest.join("party")
        await guests[0].call("leave", {"room": "party"})
        # One line of who made the room, one of all that came and went since.
        said = "guest-7, guest-6, guest-5, and 6 others joined · guest-0 left"
        await expect(notes.last).to_contain_text(said)
        assert await notes.count() <= 2
        items = notes.last.get_by_role("listitem")
        await expect(items.first).to_be_hidden()
        await ada.page.get_by_role("log").focus()
        await ada.page.keyboard.press("ArrowUp")
        await expect(notes.last.locator("summary")).to_be_focused()
        await ada.page.keyboard.press("Enter")
        await expect(items).to_have_count(10)
        await expect(items.last).to_contain_text("guest-0 left")
        await guests[0].join("party")  # and it stays open
        await expect(items).to_have_count(11)
        await guests[1].says("hello all", room="party")
        await ada.sees("hello all")
        await guests[2].call("leave", {"room": "party"})
        await expect(notes.last).to_have_text(re.compile("^guest-2 left"))
        await ada.page.reload()
        await expect(notes.last).to_have_text(re.compile("^guest-2 left"))


async def test_an_empty_room_says_what_to_do(visit, chat):
    eda = await (await visit("eda")).arrive()
    async with Person("eda-s-pal", chat.url) as pal:
        await eda.create("Void")
        said = eda.page.locator("#empty")
        await expect(said).to_contain_text("You are the only one here. Invite somebody")
        await pal.join("void")
        await expect(said).to_have_text("Nobody has written here yet. Say hello.")
        await pal.says("hello", room="void")
        await expect(said).to_be_hidden()
        await eda.page.get_by_role("button", name="New message").click()
        await eda.page.get_by_role("combobox").fill("eda-s-pal")
        await eda.page.get_by_role("button", name="Write", exact=True).click()
        await eda.is_in("eda-s-pal")
        only = "Only you and eda-s-pal can read what is written here. Say hello."
        await expect(said).to_have_text(only)


async def test_days_follow_the_order_of_the_log_also_where_a_clock_went_back(visit, chat):
    """A machine that was resumed: what is said meanwhile has the day before's date."""
    uma = await visit("uma-of-days")
    days = {"monday": 1_700_000_000, "sunday": 1_700_000_000 - 86_400}

    async def take(route):
        server = route.connect_to_server()
        back = re.compile(r'"text":"(monday|sunday)[^"]*"')

        def pass_on(data):
            packets = str(data)
            for entry in re.findall(r"\{[^{}]*(?:\{\}[^{}]*)?\}", packets):
                if (match := back.search(entry)) and '"at":' in entry:
                    dated = re.sub(r'"at":[\d.]+', f'"at":{days[match[1]]}', entry)
                    packets = packets.replace(entry, dated)
            route.send(packets)

        server.on_message(pass_on)

    await uma.page.route_web_socket(re.compile("socket.io"), take)
    await uma.arrive("?transports=websocket")
    await uma.create("Calendar")
    async with Person("clock", chat.url) as clock:
        await clock.join("calendar")
        order = ["monday 1", "sunday 1", "monday 2", "sunday 2"]
        for text in order:
            await clock.says(text, room="calendar")
        await uma.sees(*order)
        lines = uma.page.locator("#lines > .day, #lines > .message .text")
        shown = (await lines.all_text_contents())[-8:]
        assert shown[1::2] == order
        assert shown[0] == shown[4] != shown[2] == shown[6]
        await clock.says("today", room="calendar")
        await uma.sees("today")
        assert (await lines.all_text_contents())[-1] == "today"
