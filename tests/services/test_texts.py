"""What people write, through the whole chat: in any script, by half, unseen, and too much of it."""

import asyncio

import pytest

from nochat.lab.people import Person
from nochat.protocol.actions import ACTIONS
from nochat.protocol.envelope import new_id
from nochat.protocol.fields import LOBBY
from tests.domain.test_text import SENT
from tests.services.test_rooms import a_room, last, rejected, says, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

HALF = "\ud83d"  # of an emoji, as a client cuts a text
AT_ONCE = 3.0  # seconds; nobody waits for a time limit


@pytest.mark.parametrize("action", ACTIONS)
async def test_half_an_emoji_is_answered_at_once(ana, action):
    fields = {name: SENT[name] for name in ACTIONS[action].shape.__struct_fields__ if name in SENT}
    async with asyncio.timeout(AT_ONCE):
        for name, value in fields.items():
            if isinstance(value, str):
                with pytest.raises(RuntimeError) as caught:
                    await ana.call(action, fields | {name: f"{value}{HALF}"})
                assert "regex" not in str(caught.value)
        await says(ana, f"and on it goes, {action}")


async def test_half_an_emoji_in_a_handshake_is_no_trouble(url):
    async with Person(f"u{new_id()[:10]}", url) as person:
        await person.disconnect()
        person.heard[HALF] = {1: {}}
        await person.connect()
        await person.until(lambda: LOBBY in person.rooms)


@pytest.mark.parametrize("begin", ["हिन्दी", "தமிழ்", "محمّد", "Jose\u0301"])
async def test_a_name_of_any_script_registers_and_talks(url, begin):
    async with Person(begin + new_id()[:8], url) as person:
        person.name = (await person.asks("/api/me"))["user"]
        await says(person, "here I am")


@pytest.mark.parametrize("name", ["🙂🙂", "a", "\u202ename", "ㅤㅤ", "an a", "\ufdfa" * 30])
async def test_a_name_that_can_not_be_is_refused_in_a_sentence(url, name):
    with pytest.raises(RuntimeError, match="HTTP 422: a name ") as caught:
        await Person(name, url).arrive()
    assert "regex" not in str(caught.value)


UNSEEN = [" ", "\n\n", "\u200b", "\u202e", "\u2060\u3164", "\u2800"]


async def test_invisible_texts_are_refused(ana):
    room = await a_room(ana)
    at = await says(ana, "seen", room)
    for unseen in UNSEEN:
        message = {"room": room, "client_id": new_id(), "text": unseen}
        with pytest.raises(RuntimeError, match="a message needs a visible character"):
            await ana.call("message", message)
        with pytest.raises(RuntimeError, match="a message needs a visible character"):
            await ana.call("edit", {"room": room, "position": at, "text": unseen})
        with pytest.raises(RuntimeError, match="a title needs a visible character"):
            await ana.call("create", {"room": f"r-{new_id()[:10]}", "title": unseen})
        with pytest.raises(RuntimeError, match="a reaction is"):
            await ana.call("react", {"room": room, "position": at, "emoji": unseen})
    with pytest.raises(RuntimeError, match="control text or its direction"):
        await ana.call("create", {"room": f"r-{new_id()[:10]}", "title": "a\u202eb"})


@pytest.mark.parametrize(
    ("begin", "text"),
    [
        ("李雷", "你好@{}さん"),
        ("fred", "Thanks @{}.See you"),
        ("carl", "and @{}. too"),
        ("jose\u0301", "@{}!"),
    ],
)
async def test_a_mention_reaches_the_named_user(url, ana, begin, text):
    async with Person(begin + new_id()[:8], url) as person:
        await says(ana, text.format(person.name.upper()))
        await person.until(lambda: told(person, "notified"))
        assert told(person, "notified")[0]["reason"] == "mention"


async def test_a_link_and_a_package_name_nobody(ana, bob):
    await says(ana, f"https://medium.example/@{bob.name}/x and npm i @{bob.name}/tools")
    await says(ana, f"me@{bob.name} but @{bob.name}")
    await bob.until(lambda: told(bob, "notified"))
    assert [notice["text"][:2] for notice in told(bob, "notified")] == ["me"]


async def test_a_search_finds_words_of_any_script(ana):
    room = await a_room(ana)
    for text in ("今天天气很好", "una canción", "हिन्दी", "हनद"):
        await says(ana, text, room)
    await ana.call("history", {"room": room})  # which waits until all is stored; a search does not
    hits = {}
    for text in ("天气", "cancion", "हिन्दी"):
        answer = await ana.call("search", {"text": text, "room": room})
        hits[text] = [entry["text"] for entry in answer["entries"]]
    assert hits == {"天气": ["今天天气很好"], "cancion": ["una canción"], "हिन्दी": ["हिन्दी"]}


async def test_reactions_that_look_alike_are_one_and_there_are_not_too_many(ana):
    room = await a_room(ana)
    at = await says(ana, "react to this", room)
    for emoji in ("❤", "❤\ufe0f", "constructor", "toString"):
        await ana.call("react", {"room": room, "position": at, "emoji": emoji})
    for number in range(40):
        await ana.call("react", {"room": room, "position": at, "emoji": f"+{number}"})
    await rejected(ana, "remove one first")
    await says(ana, "all decided", room)
    page = await ana.call("history", {"room": room, "after": at - 1, "limit": 1})
    reactions = page["entries"][0]["reactions"]
    assert len(reactions) == 20
    assert list(reactions)[:3] == ["❤\ufe0f", "constructor", "toString"]
    await ana.call("react", {"room": room, "position": at, "emoji": "❤", "on": False})
    await ana.until(lambda: not last(ana, "reaction.changed", room)["on"])
    assert last(ana, "reaction.changed", room)["emoji"] == "❤\ufe0f"


async def test_a_ban_holds_however_the_name_is_written(ana, bob):
    room = await a_room(ana)
    await bob.join(room)
    banned = {"room": room, "user": bob.name.upper(), "action": "ban"}
    await ana.call("moderate", banned)
    await bob.until(lambda: last(bob, "member.moderated", room))
    assert last(bob, "member.moderated", room)["member"] == bob.name
    await bob.call("join", {"room": room})
    await rejected(bob, "you are banned from this room")


async def test_two_have_one_direct_room_however_they_are_written(ana, bob):
    rooms = {
        (await ana.call("direct", {"user": name}))["room"]
        for name in (bob.name, bob.name.upper(), f"\uff55{bob.name[1:]}")
    }
    assert len(rooms) == 1
