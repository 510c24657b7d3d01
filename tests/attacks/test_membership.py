"""Whoever is not in a room can do nothing in it and hears nothing of it, whatever they send."""

import pytest
import pytest_asyncio

from nochat.actions import ACTIONS
from nochat.events import new_id
from nochat.lab.people import Person

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
    on_rooms = {name for name, it in ACTIONS.items() if "room" in it.shape.__struct_fields__}
    assert on_rooms == set(INTO)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(shared):
    async with (
        Person("ana", shared) as ana,
        Person("eve", shared) as eve,
    ):
        yield ana, eve


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["private", "public", "direct"])
async def room(request, people, shared):
    """A room of ana's with one message in it, at position 3."""
    ana, _ = people
    if request.param == "direct":
        async with Person("bob", shared):
            room = (await ana.call("direct", {"user": "bob"}))["room"]
        await ana.until(lambda: len(ana.heard.get(room, ())) == 3)
    else:
        room = f"r-{new_id()[:10]}"
        private = request.param == "private"
        await ana.call("create", {"room": room, "title": "Ana's", "private": private})
    await ana.says("a secret", room)
    await ana.until(lambda: "a secret" in ana.texts(room))
    if request.param == "public":  # everybody may join it, who is not banned
        await ana.call("moderate", {"room": room, "user": "eve", "action": "ban"})
        await ana.until(lambda: "member.moderated" in str(ana.heard[room]))
    return room


def said(ana, room):
    return [entry for entry in ana.heard[room].values() if entry["type"] != "room.joined"]


@pytest.mark.parametrize("action", INTO)
async def test_a_stranger_does_nothing_in_it(people, room, action):
    ana, eve = people
    before = said(ana, room)
    answer = await eve._socket.call(action, {"room": room} | INTO[action])
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
