"""Whoever is not in a room can do nothing in it and hears nothing of it, whatever they send."""

import asyncio

import pytest
import pytest_asyncio

from nochat.lab.people import Person
from nochat.protocol.actions import ACTIONS
from nochat.protocol.envelope import new_id

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

# What a stranger sends into the room; `create` and `join` are asked for by others' rules.
INTO = {
    "message": {"client_id": "1", "text": "let me in"},
    "edit": {"position": 3, "text": "mine now"},
    "delete": {"position": 3},
    "react": {"position": 3, "emoji": "👎"},
    "read": {"position": 3},
    "typing": {},
    "history": {},
    "search": {"text": "secret"},
    "invite": {"user": "eve"},
    "moderate": {"user": "ana", "action": "kick"},
    "create": {"title": "Mine"},
    "join": {},
    "leave": {},
}


async def test_every_action_on_a_room_is_tried():
    on_rooms = {
        name for name, action in ACTIONS.items() if "room" in action.shape.__struct_fields__
    }
    assert on_rooms == set(INTO)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(shared):
    async with (
        Person("ana", shared) as ana,
        Person("eve", shared) as eve,
    ):
        yield ana, eve


async def sent(person, event, data):
    """Send anything; returns the answer, whatever it is, unless that is to wait."""
    answer = {"wait": 0}
    while "wait" in answer:
        await asyncio.sleep(answer["wait"])
        answer = await person._socket.call(event, data)
    return answer


async def a_room(ana, url, *, peer="", private=True):
    """Make a room of ana's, with `peer` a direct one, with one message in it; returns its id."""
    if peer:
        async with Person(peer, url):
            room = (await ana.call("direct", {"user": peer}))["room"]
        await ana.until(lambda: len(ana.heard.get(room, ())) == 3)
    else:
        room = f"r-{new_id()[:16]}"
        await ana.call("create", {"room": room, "title": "Ana's", "private": private})
    await ana.says("a secret", room)
    await ana.until(lambda: "a secret" in ana.texts(room))
    return room


async def ban_eve(ana, room):
    await ana.call("moderate", {"room": room, "user": "eve", "action": "ban"})
    await ana.until(lambda: "member.moderated" in str(ana.heard[room]))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["private", "public", "direct"])
async def room(request, people, shared):
    """A room of ana's with one message in it, at position 3."""
    ana, _ = people
    peer = "bob" if request.param == "direct" else ""
    room = await a_room(ana, shared, peer=peer, private=request.param == "private")
    if request.param == "public":  # everybody may join it, who is not banned
        await ban_eve(ana, room)
    return room


def said(ana, room):
    return [entry for entry in ana.heard[room].values() if entry["type"] != "room.joined"]


@pytest.mark.parametrize("action", INTO)
async def test_a_stranger_does_nothing_in_it(people, room, action):
    ana, eve = people
    before = said(ana, room)
    answer = await sent(eve, action, {"room": room} | INTO[action])
    if action == "leave":
        assert answer == {}  # of no effect
    elif "error" in answer:
        assert "only members" in answer["error"]
    else:
        await eve.until(lambda: any(e == "rejected" and d["room"] == room for e, d in eve.told))
    # A message of hers afterwards comes after whatever that did.
    await ana.says("a mark", room)
    await ana.until(lambda: ana.texts(room)[-1] == "a mark")
    assert [entry for entry in said(ana, room) if entry not in before][:-1] == []
    assert "secret" not in str(eve.heard) + str(eve.told)
    assert not [data for event, data in ana.told if event == "typing"]
    eve.told.clear()
    ana.heard[room].popitem()


async def answers(eve, action, room):
    """What a stranger hears of an action in a room: the answer, and what is told of it after."""
    eve.told.clear()
    answer = await sent(eve, action, {"room": room} | INTO[action])
    # What comes after it, in the order of the same room's commands, comes after its refusal.
    await sent(eve, "message", {"room": room, "client_id": new_id(), "text": "a mark"})
    await eve.until(lambda: [e for e, _ in eve.told].count("rejected") >= 1 + (action in TOLD))
    told = [(event, data.get("reason")) for event, data in eve.told if event != "presence"]
    return answer, told


# They are commands, which the controller refuses.
TOLD = set(INTO) - {"typing", "history", "search", "leave"}


@pytest.mark.parametrize("action", sorted(set(INTO) - {"create"}))
async def test_nobody_hears_whether_there_is_a_room(people, hidden, action):
    _, eve = people
    there = await answers(eve, action, hidden)
    assert there == await answers(eve, action, f"r-{new_id()[:16]}")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["private", "direct", "banned"])
async def hidden(request, people, shared):
    """A room of ana's that eve may not know of, and one in which she is banned unheard."""
    ana, _ = people
    room = await a_room(ana, shared, peer="cleo" if request.param == "direct" else "")
    if request.param == "banned":
        await ban_eve(ana, room)
    return room


GUESSED = ["plans", "plans-2", "plans-0123456789abcde", "plans-0123456789ABCDEF"]


@pytest.mark.parametrize("room", GUESSED)
async def test_a_private_room_has_an_id_that_nobody_guesses(people, room):
    """Who makes a room hears when its id is taken: no private one may have an id like a title."""
    _, eve = people
    asked = {"room": room, "title": "Plans", "private": True}
    answer = await sent(eve, "create", asked)
    assert "16 random" in answer["error"] or "a to z" in answer["error"]


async def test_invited_users_receive_no_events_of_the_room(people, shared):
    """They may stay away for ever, and look in now and then how the others are doing."""
    ana, _ = people
    async with Person("guest", shared) as guest, Person("worst", shared):
        room = await a_room(ana, shared)
        await ana.call("moderate", {"room": room, "user": "worst", "action": "ban"})
        await ana.call("invite", {"room": room, "user": "guest"})
        await guest.until(lambda: "invited" in [event for event, _ in guest.told])
        seen = [await invitation(guest, room)]
        await ana.says("and another secret", room)
        await ana.until(lambda: "and another secret" in ana.texts(room))
        seen.append(await invitation(guest, room))
        assert seen[0] == seen[1]
        assert (seen[0]["title"], seen[0]["invited"]) == ("Ana's", True)
        assert (seen[0]["members"], seen[0]["banned"], seen[0]["position"]) == ([], [], 0)
        assert room not in guest.heard
        # Whoever accepts is told all of it.
        await guest.join(room)
        await guest.until(lambda: [data for event, data in guest.told if event == "room"])
        [whole] = [data for event, data in guest.told if event == "room"]
        assert (whole["members"], whole["banned"]) == (["ana", "guest"], ["worst"])
        assert whole["position"] > 5


async def invitation(guest, room):
    """What a new socket is told of a room."""
    await guest.disconnect()
    guest.told.clear()
    await guest.connect()
    await guest.until(lambda: "welcome" in [event for event, _ in guest.told])
    [welcome] = [data for event, data in guest.told if event == "welcome"]
    [listed] = [summary for summary in welcome["rooms"] if summary["room"] == room]
    return listed


async def test_muted_members_can_neither_show_typing_nor_invite(people, shared):
    ana, eve = people
    room = f"r-{new_id()[:16]}"
    await ana.call("create", {"room": room, "title": "Ana's"})
    await eve.join(room)
    await ana.call("moderate", {"room": room, "user": "eve", "action": "mute"})
    await eve.until(lambda: "member.moderated" in str(eve.heard[room]))
    async with Person("cleo", shared) as cleo:
        eve.told.clear()
        ana.told.clear()
        for again in (False, True):  # neither leaving nor another socket is a way around
            answer = await sent(eve, "typing", {"room": room})
            assert "muted" in answer["error"]
            if not again:
                await eve.call("leave", {"room": room})
                await eve.until(lambda: list(eve.heard[room].values())[-1]["type"] == "room.left")
                await eve.call("join", {"room": room})
                await eve.until(lambda: list(eve.heard[room].values())[-1]["type"] == "room.joined")
        await eve.disconnect()
        await eve.connect()
        await eve.until(lambda: "welcome" in [event for event, _ in eve.told])
        assert "muted" in (await sent(eve, "typing", {"room": room}))["error"]
        await eve.call("invite", {"room": room, "user": "cleo"})
        await eve.until(lambda: "rejected" in [event for event, _ in eve.told])
        assert not [data for event, data in cleo.told if event == "invited"]
        assert not [data for event, data in ana.told if event == "typing"]
        await ana.call("moderate", {"room": room, "user": "eve", "action": "unmute"})
        await eve.until(lambda: "unmute" in str(eve.heard[room]))
        await eve.call("typing", {"room": room})
        await ana.until(lambda: [data for event, data in ana.told if event == "typing"])
