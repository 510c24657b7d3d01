"""What people expect of a chat: links and marks, answers, drafts, addresses."""

import re

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def host_of(room, chat):
    """A person with a new public room."""
    host = await Person(f"host-of-{room}", chat.url).arrive()
    await host.call("create", {"room": room, "title": room.capitalize()})
    await host.until(lambda: room in host.heard)
    return host


async def position_of(person, text, room):
    await person.until(lambda: text in person.texts(room))
    return next(at for at, entry in person.heard[room].items() if entry.get("text") == text)


def draft(visitor):
    return visitor.page.get_by_label("Message", exact=True)


# ---- links and marks ----------------------------------------------------------------------------


async def test_links_and_marks_are_drawn_and_told_plainly_elsewhere(visit, chat):
    host = await host_of("library", chat)
    ida = await (await visit("ida")).arrive()
    await ida.join("Library")
    page = "https://en.wikipedia.org/wiki/Mercury_(planet)"
    await ida.writes(f"see {page}, and **not** `*this*`")
    said = ida.page.locator("#lines .text").last
    link = said.get_by_role("link", name=page, exact=True)
    for name, value in {"href": page, "target": "_blank", "rel": "noopener noreferrer"}.items():
        await expect(link).to_have_attribute(name, value)
    await expect(said.locator("strong")).to_have_text("not")
    await expect(said.locator("code")).to_have_text("*this*")
    await draft(ida).fill("- one\n- two\n> said\n```sh\nls *.py\n```")
    await draft(ida).press("Enter")
    await expect(said.get_by_role("listitem")).to_have_text(["one", "two"])
    await expect(said.locator("blockquote")).to_have_text("said")
    await expect(said.locator("pre")).to_have_text("ls *.py")
    await ida.page.get_by_role("button", name="Search").first.click()
    await ida.page.get_by_label("Search for").fill("not")
    await ida.page.keyboard.press("Enter")
    result = ida.page.locator("#results .what")
    await expect(result).to_have_text(f"see {page}, and not *this*")
    await expect(result.locator("mark")).to_have_text("not")
    direct = (await host.call("direct", {"user": "ida"}))["room"]
    await host.until(lambda: direct in host.heard)
    await host.says("**hello**, `ida`", room=direct)
    notice = ida.page.locator(".notice")
    await expect(notice).to_contain_text(f"{host.name} wrote to you: hello, ida")
    await host.leave()


async def test_a_name_in_code_is_no_mention(visit, chat):
    host = await host_of("compiler", chat)
    kit = await (await visit("kit")).arrive()
    await kit.join("Compiler")
    await host.says("`@kit` and\n```\n@kit\n```", room="compiler")
    await host.says("now @kit", room="compiler")
    await expect(kit.line("now @kit")).to_have_class(re.compile("mentions-me"))
    await expect(kit.page.locator("mark")).to_have_text("@kit")
    await expect(kit.page.locator(".mentions-me")).to_have_count(1)
    told = await kit.page.evaluate("Notification.permission")
    assert told != "granted"
    await host.leave()


# ---- answers ------------------------------------------------------------------------------------


async def test_an_answer_quotes_what_it_answers_as_that_is_now(visit):
    ned = await (await visit("ned")).arrive()
    await ned.create("Debate")
    oda = await (await visit("oda")).arrive()
    await oda.join("Debate")
    await ned.writes("is **water** wet?")
    question = ned.page.locator(".message", has_text="is water wet?").first
    await oda.page.locator(".message", has_text="is water wet?").hover()
    await oda.page.get_by_role("toolbar").get_by_role("button", name="Reply", exact=True).click()
    await expect(draft(oda)).to_be_focused()
    strip = oda.page.locator("#replying")
    await expect(strip).to_contain_text("In reply to ned is water wet?")
    await draft(oda).press("Escape")
    await expect(strip).to_be_hidden()
    await oda.page.locator(".message", has_text="is water wet?").hover()
    await oda.page.get_by_role("toolbar").get_by_role("button", name="Reply", exact=True).click()
    await oda.says("it is")
    await expect(strip).to_be_hidden()
    quotes = [
        person.line("it is").get_by_role("button", name="In reply to") for person in (ned, oda)
    ]
    for quote in quotes:
        await expect(quote).to_have_accessible_name("In reply to ned is water wet?")
    await question.hover()
    await question.get_by_role("button", name="Edit").click()
    await draft(ned).fill("is ice wet?")
    await draft(ned).press("Enter")
    for quote in quotes:
        await expect(quote).to_have_accessible_name("In reply to ned is ice wet?")
    await ned.does("Delete", "is ice wet?")
    await ned.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for visitor, quote in zip((ned, oda), quotes, strict=True):
        await expect(quote).to_have_accessible_name("In reply to ned Message deleted")
        await expect(visitor.page.get_by_text("wet?")).to_have_count(0)
    await ned.page.reload()
    await expect(quotes[0]).to_have_accessible_name("In reply to ned Message deleted")


async def test_an_answer_to_an_old_message_shows_it_and_leads_there_and_back(visit, chat):
    host = await host_of("archive", chat)
    await host.says("the first word", room="archive")
    first = await position_of(host, "the first word", "archive")
    for number in range(150):
        await host.says(f"word {number}", room="archive")
    answer = {"room": "archive", "client_id": "a", "text": "I agree", "reply_to": first}
    await host.call("message", answer)
    pia = await (await visit("pia")).arrive()
    await pia.join("Archive")
    quote = pia.line("I agree").get_by_role("button", name="In reply to")
    await expect(quote).to_have_accessible_name(f"In reply to {host.name} the first word")
    await quote.click()
    target = pia.line("the first word")
    await expect(target).to_be_in_viewport()
    await expect(target).to_be_focused()
    await expect(pia.page).to_have_url(re.compile(f"#/room/archive/{first}$"))
    await pia.page.go_back()
    await expect(pia.line("I agree")).to_be_in_viewport()
    await expect(pia.line("I agree")).to_be_focused()
    await host.leave()


# ---- drafts -------------------------------------------------------------------------------------


async def test_a_draft_is_kept_by_user_and_room(visit):
    """Through another room, a reload, a session's end; not for the next user of the browser."""
    quin = await (await visit("quin", offline=True)).arrive()
    await quin.create("Study")
    await quin.says("a question")
    await quin.does("Reply", "a question")
    await draft(quin).fill("half of it")
    await quin.open("Lobby")
    await expect(draft(quin)).to_have_value("")
    await draft(quin).fill("something else")
    await quin.page.reload()
    await quin.is_in("Lobby")
    await expect(draft(quin)).to_have_value("something else")
    await quin.open("Study")
    await expect(draft(quin)).to_have_value("half of it")
    await expect(quin.page.locator("#replying")).to_contain_text("a question")

    await quin.page.context.clear_cookies()  # the session is over
    await quin.page.reload()
    rhea = type(quin)("rhea", quin.url, quin.page)
    await rhea.sign("Create account")
    await expect(quin.page.get_by_role("dialog", name="Join Study?")).to_be_visible()
    await quin.page.keyboard.press("Escape")
    await rhea.is_in("Lobby")
    await expect(draft(rhea)).to_have_value("")
    await rhea.leave()
    await quin.sign("Log in")
    await quin.open("Study")
    await expect(draft(quin)).to_have_value("half of it")
    await draft(quin).press("Enter")
    await expect(quin.line("half of it").get_by_role("button", name="In reply to")).to_be_visible()
    await quin.page.reload()
    await quin.is_in("Study")
    await expect(draft(quin)).to_have_value("")

    await quin.open("Lobby")
    await expect(draft(quin)).to_have_value("something else")
    await quin.leave()
    await expect(quin.page.get_by_label("Password", exact=True)).to_be_visible()
    assert await quin.page.evaluate("JSON.stringify(localStorage).includes('else')") is False
    await quin.sign("Log in")
    await quin.is_in("Lobby")
    await expect(draft(quin)).to_have_value("")


# ---- addresses ----------------------------------------------------------------------------------


async def test_a_message_s_address_is_copied_and_opened_by_others(visit, chat):
    host = await host_of("museum", chat)
    await host.says("the oldest piece", room="museum")
    for number in range(130):
        await host.says(f"piece {number}", room="museum")
    sol = await (await visit("sol")).arrive()
    await sol.page.context.grant_permissions(["clipboard-write"])
    await sol.join("Museum")
    at = await position_of(host, "piece 7", "museum")
    await sol.page.goto(f"{sol.url}/#/room/museum/{at}")
    await expect(sol.line("piece 7")).to_be_in_viewport()
    await sol.does("Copy link", "piece 7")
    await expect(sol.page.locator(".notice")).to_contain_text("The link is copied.")
    # The page itself may not read what is copied.
    field = sol.page.get_by_label("Message", exact=True)
    await field.press("Control+V")
    link = await field.input_value()
    assert link == f"{sol.url}/#/room/museum/{at}"

    tia = await visit("tia", viewport={"width": 360, "height": 740})
    await tia.page.goto(link)
    await tia.sign("Create account")  # the address is honoured after it
    asked = tia.page.get_by_role("dialog", name="Join Museum?")
    await asked.get_by_role("button", name="Join").click()
    await tia.is_in("Museum")
    await expect(tia.line("piece 7")).to_be_in_viewport()
    await expect(tia.line("piece 7")).to_have_class(re.compile("found"))
    await expect(tia.line("piece 7")).to_be_focused()
    await tia.page.reload()
    await expect(tia.line("piece 7")).to_be_in_viewport()

    # A link to here opens here, again and again.
    await tia.page.get_by_role("button", name="To the newest").click()
    await tia.says(f"look: {link}")
    inside = tia.page.get_by_role("link", name=link)
    await expect(inside).not_to_have_attribute("target", "_blank")
    for _ in range(2):
        await inside.click()
        await expect(tia.line("piece 7")).to_be_in_viewport()
        await tia.page.get_by_role("button", name="To the newest").click()
    await host.leave()


async def test_back_and_forward_go_through_the_rooms(visit):
    uma = await (await visit("uma")).arrive()
    await uma.create("North")
    await uma.create("South")
    await expect(uma.page).to_have_url(f"{uma.url}/#/room/south")
    await uma.open("Lobby")
    await uma.page.go_back()
    await uma.is_in("South")
    await uma.page.go_back()
    await uma.is_in("North")
    await uma.page.go_back()
    await uma.is_in("Lobby")
    await uma.page.go_forward()
    await uma.is_in("North")
    await uma.page.reload()
    await uma.is_in("North")
    await uma.page.go_forward()
    await uma.is_in("South")


async def test_an_address_that_leads_nowhere_says_so(visit, chat):
    async with Person("vic", chat.url) as vic:
        vault = f"vault-{new_id()[:16]}"
        await vic.call("create", {"room": vault, "title": "Vault", "private": True})
        await vic.until(lambda: vault in vic.heard)
        await vic.says("gold", room=vault)
        wes = await (await visit("wes")).arrive()
        await wes.create("Street")
        notices = wes.page.locator(".notice")
        # A private room of others looks like none at all.
        private = f"#/room/{vault}", f"#/room/{vault}/3"
        for place in (*private, "#/room/no-such-room", "#general", "#/x"):
            await wes.page.evaluate(f"location.hash = '{place}'")
            await expect(notices.last).to_contain_text("There is no room at this address")
            await expect(wes.page).to_have_url(f"{wes.url}/#/room/street")
            await wes.page.get_by_role("button", name="Close").last.click()
            await expect(notices).to_have_count(0)
        await wes.is_in("Street")
        for position in (1, 999):
            await wes.page.evaluate(f"location.hash = '#/room/street/{position}'")
            await expect(notices.last).to_contain_text("This message does not exist.")
            await expect(wes.page).to_have_url(f"{wes.url}/#/room/street")
            await wes.page.get_by_role("button", name="Close").last.click()
        await wes.page.goto("about:blank")
        await wes.page.goto(f"{wes.url}/#/room/vault/3")
        await expect(notices.last).to_contain_text("There is no room at this address")
        await expect(wes.page.locator("#room-title")).not_to_have_text("NoChat")
        assert "Vault" not in await wes.page.content()
