"""What the page does with rooms and people: private rooms, direct messages, moderation."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_a_private_room_is_for_invited_users(visit):
    """One accepts, another declines; nobody else sees the room."""
    pia, ole, una = [await (await visit(name)).arrive() for name in ("pia", "ole", "una")]
    await pia.create("Secret garden", private=True)
    for name in ("ole", "una"):
        await pia.chooses("Invite somebody", of="More for this room")
        dialog = pia.page.get_by_role("dialog", name="Invite to Secret garden")
        person = dialog.get_by_role("combobox")
        await person.press_sequentially(name[:2])
        await expect(dialog.get_by_role("option", name=name)).to_be_visible()
        await person.press("Enter")
        await expect(person).to_have_value(name)
        await person.press("Enter")
        await expect(dialog).to_be_hidden()
    await expect(ole.page.get_by_text("pia invites you to Secret garden")).to_be_visible()
    await ole.page.get_by_role("button", name="Accept Secret garden").click()
    await ole.is_in("Secret garden")
    await ole.says("what a view")
    await pia.sees("what a view")
    people = pia.page.locator("#people")
    await expect(people.get_by_role("listitem").filter(has_text="ole")).to_be_visible()
    await expect(ole.page.locator("#people").get_by_role("listitem")).to_have_count(2)
    await una.page.get_by_role("button", name="Decline Secret garden").click()
    await expect(una.page.get_by_text("Invitations")).to_be_hidden()
    await expect(una.page.get_by_role("button", name="Secret garden")).to_have_count(0)
    stranger = await (await visit("stranger")).arrive()
    await expect(stranger.page.get_by_text("Secret garden")).to_have_count(0)


async def test_the_people_of_a_room_are_listed_with_their_rights(visit, chat):
    """Also where what happened before is more than a page of the log."""
    async with Person("host", chat.url) as host, Person("pest", chat.url) as pest:
        room = {"room": "parlour"}
        await host.call("create", room | {"title": "Parlour"})
        await pest.join("parlour")
        for action in ("ban", "unban", "ban"):
            await host.call("moderate", room | {"user": "pest", "action": action})
        for number in range(60):
            await host.says(f"line {number}", room="parlour")
        late = await (await visit("late")).arrive()
        chat.promote("late")
        await late.page.reload()
        await late.join("Parlour")
        people = late.page.locator("#people").get_by_role("listitem")
        await expect(people).to_have_count(2)
        await expect(people.filter(has_text="host")).to_contain_text("owner")
        await expect(late.page.locator("#banned").get_by_role("listitem")).to_contain_text("pest")
        await expect(late.page.locator(".seam")).to_have_count(0)


async def test_leaving_a_private_room_asks_first(visit):
    rex = await (await visit("rex")).arrive()
    await rex.create("Attic", private=True)
    await rex.chooses("Leave the room", of="More for this room")
    asked = rex.page.get_by_role("dialog", name="Leave Attic?")
    await rex.page.keyboard.press("Escape")
    await expect(asked).to_be_hidden()
    await rex.is_in("Attic")
    await rex.chooses("Leave the room", of="More for this room")
    await asked.get_by_role("button", name="Leave").click()
    await expect(rex.page.get_by_role("button", name="Attic")).to_have_count(0)


async def test_a_room_may_have_any_title(visit):
    yui = await (await visit("yui")).arrive()
    await yui.page.get_by_role("button", name="New room").click()
    await yui.page.get_by_role("button", name="Create", exact=True).click()
    name = yui.page.get_by_label("Room name")
    await expect(name).to_have_accessible_description("Give the room a name.")
    await yui.page.keyboard.press("Escape")
    await yui.create("日本語の部屋")
    await yui.says("ようこそ")


async def test_two_rooms_may_have_one_title(visit, chat):
    """An id is taken once; that of a private room is one that nobody else would take."""
    luz = await (await visit("luz")).arrive()
    await luz.create("Loft")
    assert re.search(r"#/room/loft$", luz.page.url)
    await luz.open("Lobby")
    await luz.create("Loft", private=True)
    assert re.search(r"#/room/loft-[0-9a-f]{16}$", luz.page.url)
    await luz.open("Lobby")
    await luz.create("Loft")
    assert re.search(r"#/room/loft-[0-9a-f]{6}$", luz.page.url)
    lofts = luz.page.locator("#joined").get_by_role("button", name="Loft")
    await expect(lofts).to_have_count(3)
    await expect(luz.page.locator("#notices")).to_be_empty()


async def test_many_other_rooms_can_be_filtered(visit, chat):
    async with Person("founder", chat.url) as founder:
        for number in range(9):
            await founder.call("create", {"room": f"hut-{number}", "title": f"Hut {number}"})
        guest = await (await visit("hutguest")).arrive()
        shown = guest.page.locator("#others").get_by_role("listitem")
        await expect(shown.filter(has_text="Hut 8")).to_be_visible()
        field = guest.page.get_by_label("Filter the other rooms")
        await field.fill("hut 7")
        await expect(shown).to_have_count(1)
        await field.fill("no such hut")
        await expect(guest.page.get_by_text("No room has this name.")).to_be_visible()
        await field.fill("hut 7")
        await guest.join("Hut 7")


async def test_other_rooms_come_by_pages_and_a_deleted_one_is_gone(visit, chat):
    async with Person("planter", chat.url) as planter, Person("gardener", chat.url) as boss:
        await asyncio.to_thread(chat.promote, "gardener")
        for number in range(45):
            await planter.call("create", {"room": f"elm-{number:02}", "title": f"Elm {number}"})
        await planter.until(lambda: "elm-44" in planter.heard)
        guest = await (await visit("elmguest")).arrive()
        elms = guest.page.locator("#others").get_by_role("listitem").filter(has_text="Elm")
        field = guest.page.get_by_label("Filter the other rooms")
        await field.fill("elm")
        await expect(elms).not_to_have_count(0)
        more = guest.page.get_by_role("button", name="More rooms")
        await expect(guest.page.locator("#others")).to_have_attribute("aria-busy", "false")
        await more.press("Enter")  # whoever has no mouse gets to all of them
        await expect(elms).to_have_count(40)
        await more.press("Enter")
        await expect(elms).to_have_count(45)
        await expect(more).to_be_hidden()
        await expect(field).to_be_focused()
        await guest.join("Elm 7")

        # By its address, a room is found that no page has named.
        await guest.page.reload()
        await guest.page.evaluate("location.hash = '#/room/elm-44'")
        await expect(guest.page.get_by_role("dialog")).to_contain_text("Join Elm 44?")
        await guest.page.keyboard.press("Escape")

        await guest.open("Elm 7")
        path = f"{chat.url}/api/manage/rooms/elm-07/delete"
        async with planter._http.post(path, json={}) as refused:
            assert refused.status == 403
        async with boss._http.post(path, json={}) as answer:
            assert answer.status == 200
        await expect(guest.page.locator("#notices")).to_contain_text("Elm 7 was deleted")
        await expect(guest.page.get_by_text("Choose a room, or create one.")).to_be_visible()
        await planter.call("message", {"room": "elm-07", "client_id": "x", "text": "still there?"})
        await planter.until(lambda: any(event == "rejected" for event, _ in planter.told))


async def test_two_write_to_each_other_directly(visit):
    ivo = await (await visit("ivo")).arrive()
    liv = await (await visit("liv")).arrive()
    await ivo.page.get_by_role("button", name="New message").click()
    person = ivo.page.get_by_role("combobox", name="Name of the person")
    await person.fill("nobody-at-all")
    await person.press("Enter")
    await expect(person).to_have_accessible_description("there is no such user")
    await person.fill("")
    await person.press_sequentially("li")
    await ivo.page.get_by_role("option", name="liv").click()
    await ivo.page.get_by_role("button", name="Write", exact=True).click()
    await ivo.is_in("liv")
    await ivo.says("between us")
    talk = liv.page.locator("#directs").get_by_role("button", name="ivo")
    await expect(talk.get_by_label("1 unread")).to_be_visible()
    await expect(talk).to_contain_text("online")
    await liv.page.get_by_role("button", name="ivo wrote to you: between us").click()
    await liv.is_in("ivo")
    await liv.sees("between us")
    await expect(talk.locator(".badge")).to_be_hidden()
    await liv.open("Lobby")
    await liv.chooses("Send a message", of="ivo online")  # the same room, from the list of people
    await liv.is_in("ivo")
    await ivo.page.close()
    await expect(talk).to_contain_text("offline")


async def test_the_owner_mutes_and_lets_write_again(visit):
    owner = await (await visit("olga")).arrive()
    await owner.create("Court")
    loud = await (await visit("loud")).arrive()
    await loud.join("Court")
    await loud.says("LOOK AT ME")
    await owner.chooses("Mute", of="loud online")
    field = loud.page.get_by_label("Message", exact=True)
    await expect(field).to_be_disabled()
    await expect(field).to_have_attribute("placeholder", "You are muted in this room")
    muted = owner.page.locator("#people").get_by_role("listitem").filter(has_text="loud")
    await expect(muted).to_contain_text("muted")
    await owner.chooses("Unmute", of="loud muted")
    await expect(field).to_be_enabled()
    await loud.says("thank you")


async def test_the_owner_removes_and_bans(visit):
    """It is asked before; who is out sees it, and may not or may come back."""
    owner = await (await visit("otto")).arrive()
    await owner.create("Bar")
    guest = await (await visit("gus")).arrive()
    await guest.join("Bar")
    await owner.chooses("Remove from the room", of="gus online")
    asked = owner.page.get_by_role("dialog", name="Remove gus from the room?")
    await asked.get_by_role("button", name="Cancel").click()
    await guest.says("still here")
    await owner.chooses("Remove from the room", of="gus online")
    await asked.get_by_role("button", name="Remove").click()
    await expect(guest.page.get_by_role("button", name="Join Bar")).to_be_visible()
    await guest.join("Bar")
    await owner.chooses("Ban from the room", of="gus online")
    asked = owner.page.get_by_role("dialog", name="Ban gus from the room?")
    await asked.get_by_role("button", name="Ban").click()
    await guest.page.get_by_role("button", name="Join Bar").click()
    refusal = guest.page.get_by_text("That was refused: you are banned from this room.")
    await expect(refusal).to_be_visible()
    await expect(owner.page.get_by_text("otto banned gus")).to_be_visible()
    banned = owner.page.locator("#banned").get_by_role("button", name="gus")
    await banned.click()
    await owner.page.get_by_role("menuitem", name="Lift the ban").click()
    await expect(banned).to_have_count(0)
    await guest.join("Bar")


async def test_ordinary_members_get_no_moderation_buttons(visit):
    owner = await (await visit("omar")).arrive()
    await owner.create("Square")
    guest = await (await visit("gil")).arrive()
    await guest.join("Square")
    await guest.page.get_by_role("button", name=re.compile("omar owner")).click()
    await expect(guest.page.get_by_role("menuitem")).to_have_text(["Send a message"])
    await guest.page.keyboard.press("Escape")
    await expect(guest.page.get_by_role("button", name=re.compile("omar owner"))).to_be_focused()
