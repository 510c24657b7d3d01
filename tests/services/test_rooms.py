"""What people do with rooms and messages, through the gateway to the store and back."""

import asyncio
from contextlib import suppress

import pytest

from nochat.domain.client_ids import new_client_id
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.protocol.fields import LOBBY
from nochat.protocol.reasons import account_banned
from nochat.stores.users import UserStore

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def users(settings):
    store = UserStore(f"sqlite:///{settings.data_path / 'users.db'}")
    yield store
    store.close()


def last(person, kind, room=LOBBY):
    """The last entry of a kind that a person has seen in a room."""
    entries = person.heard.get(room, {})
    return next(
        (entries[at] for at in sorted(entries, reverse=True) if entries[at]["type"] == kind), {}
    )


def told(person, event):
    return [data for name, data in person.told if name == event]


async def says(person, text, room=LOBBY):
    """Send a message, and wait until its sender sees it; returns its position."""
    await person.says(text, room)
    await person.until(lambda: last(person, "message.sent", room).get("text") == text)
    return last(person, "message.sent", room)["position"]


async def rejected(person, reason):
    await person.until(
        lambda: any(reason in refusal["reason"] for refusal in told(person, "rejected"))
    )


async def finds(person, number=1, **query):
    """Search until there is something: what was said is stored a moment after it was heard."""
    async with asyncio.timeout(30):
        while len(entries := (await person.call("search", query))["entries"]) != number:
            pass
    return [entry["text"] for entry in entries]


async def a_room(person, private=False):
    room = f"r-{new_id()[:16]}"
    await person.call("create", {"room": room, "title": "A room", "private": private})
    await person.until(lambda: last(person, "room.joined", room))
    return room


async def test_an_edit_reaches_everybody_and_stays(ana, bob):
    at = await says(ana, "helo")
    await ana.call("edit", {"room": LOBBY, "position": at, "text": "hello"})
    await bob.until(lambda: last(bob, "message.edited").get("target") == at)
    assert last(bob, "message.edited")["text"] == "hello"
    [entry] = (await bob.call("history", {"room": LOBBY, "after": at - 1, "limit": 1}))["entries"]
    assert entry["text"] == "hello"
    assert entry["edited"] > entry["at"]


async def test_nobody_edits_or_deletes_anothers_message(ana, bob):
    at = await says(ana, "mine")
    await bob.call("edit", {"room": LOBBY, "position": at, "text": "not yours"})
    await rejected(bob, "only its sender may change")
    await bob.call("delete", {"room": LOBBY, "position": at})
    await rejected(bob, "only its sender, the room's owner or a manager")
    [entry] = (await bob.call("history", {"room": LOBBY, "after": at - 1, "limit": 1}))["entries"]
    assert entry["text"] == "mine"


async def test_a_deleted_message_is_gone_for_later_readers(ana, bob, url):
    word = f"w{new_id()[:10]}"
    at = await says(ana, word)
    assert await finds(bob, text=word) == [word]
    await ana.call("delete", {"room": LOBBY, "position": at})
    await bob.until(lambda: last(bob, "message.deleted").get("target") == at)
    page = await bob.call("history", {"room": LOBBY, "after": at - 1})
    assert word not in str(page)
    assert await finds(bob, 0, text=word) == []


async def test_an_old_message_can_be_changed_that_no_controller_remembers(ana, bob):
    room = await a_room(ana)
    at = await says(ana, "the first", room)
    for _ in range(3):
        await asyncio.gather(*(ana.says("and another", room) for _ in range(350)))
    await ana.call("edit", {"room": room, "position": at, "text": "the first of all"})
    await ana.until(lambda: last(ana, "message.edited", room).get("target") == at)


async def test_an_answer_says_what_it_answers_and_not_what_was_deleted(ana, bob):
    room = await a_room(ana)
    await bob.join(room)
    at = await says(ana, "why?", room)
    answer = {"room": room, "client_id": new_id(), "text": "because", "reply_to": at}
    await bob.call("message", answer)
    await ana.until(lambda: last(ana, "message.sent", room).get("text") == "because")
    assert last(ana, "message.sent", room)["reply_to"] == at
    await ana.call("delete", {"room": room, "position": at})
    await bob.until(lambda: last(bob, "message.deleted", room))
    page = await bob.call("history", {"room": room})
    shown = [(entry.get("text"), entry.get("reply_to")) for entry in page["entries"]]
    assert shown[-2:] == [("", None), ("because", at)]
    await bob.call("message", answer)  # a retry
    await bob.call("message", answer | {"client_id": new_id(), "text": "still"})
    await ana.until(lambda: last(ana, "message.sent", room).get("text") == "still")
    assert ana.texts(room) == ["why?", "because", "still"]


async def test_an_answer_to_nothing_is_refused(ana, bob):
    room = await a_room(ana)
    answer = {"room": room, "client_id": new_id(), "text": "because"}
    for nothing in (1, 999):
        await ana.call("message", answer | {"client_id": new_id(), "reply_to": nothing})
    await ana.until(lambda: len(told(ana, "rejected")) == 2)
    assert {refusal["reason"] for refusal in told(ana, "rejected")} == {"there is no such message"}
    for wrong in (-1, "1", 1.5, None):
        with pytest.raises(RuntimeError):
            await ana.call("message", answer | {"reply_to": wrong})


async def test_a_reaction_that_is_taken_back_counts_no_more(ana, bob):
    at = await says(ana, "cake?")
    for person in (ana, bob):
        await person.call("react", {"room": LOBBY, "position": at, "emoji": "🎂"})
    await bob.call("react", {"room": LOBBY, "position": at, "emoji": "🎂", "on": False})
    await ana.until(lambda: last(ana, "reaction.changed").get("on") is False)
    [entry] = (await ana.call("history", {"room": LOBBY, "after": at - 1, "limit": 1}))["entries"]
    assert entry["reactions"] == {"🎂": [ana.name]}


@pytest.mark.parametrize("text", ["make.sense", "$set", "a.$[]", ".", "_id", "a\0b"])
async def test_no_text_means_something_to_the_store(ana, bob, text):
    """Not as a reaction, a title or a message: a document's field could not be called so."""
    room = f"r-{new_id()[:10]}"
    await ana.call("create", {"room": room, "title": "A room"})
    await bob.join(room)
    position = await says(ana, f"before {text}", room)
    for event, data in (
        ("react", {"position": position, "emoji": text, "on": True}),
        ("edit", {"position": position, "text": f"after {text}"}),
    ):
        with suppress(RuntimeError):  # it may be refused; but then it is answered, and at once
            await bob.call(event, {"room": room} | data)
    await says(ana, "the last", room)
    async with asyncio.timeout(30):
        while True:
            page = await bob.call("history", {"room": room, "limit": 50})
            if page["entries"][-1].get("text") == "the last":
                break
    assert f"before {text}" in [entry.get("text") for entry in page["entries"]]


async def test_a_private_room_is_seen_by_invited_users(ana, bob, eve, url):
    room = await a_room(ana, private=True)
    await eve.call("join", {"room": room})
    await rejected(eve, "there is no such room")
    await ana.call("invite", {"room": room, "user": bob.name.upper()})
    await bob.until(lambda: told(bob, "invited"))
    [invited] = told(bob, "invited")
    assert (invited["title"], invited["user"], invited["kind"]) == ("A room", ana.name, "private")
    await bob.join(room)
    await ana.says("among us", room)
    await bob.until(lambda: bob.texts(room) == ["among us"])
    assert room not in eve.heard
    assert [event for event, data in eve.told if room in str(data)] == ["rejected"]
    await eve.disconnect()
    eve.told.clear()  # the first welcome may not have come, and never will
    await eve.connect()
    await eve.until(lambda: told(eve, "welcome"))
    assert room not in str(told(eve, "welcome"))


async def test_a_new_socket_is_told_who_is_online(ana, bob):
    room = await a_room(ana)
    await bob.join(room)
    await bob.until(lambda: any(data["room"] == room for data in told(bob, "room")))
    [shown] = [data for data in told(bob, "room") if data["room"] == room]
    assert (shown["title"], shown["owner"]) == ("A room", ana.name)
    assert shown["members"] == [ana.name, bob.name]


async def test_another_role_counts_at_once(ana, bob, users):
    users.change(ana.name, role="manager")
    given = {"role": "manager"}
    assert (await ana._ask("POST", f"/api/manage/users/{bob.name}", given))[0] == 200
    await bob.until(lambda: told(bob, "role"))
    assert told(bob, "role") == [given]
    room = await a_room(ana)
    await bob.call("moderate", {"room": room, "user": ana.name, "action": "mute"})
    await ana.until(lambda: last(ana, "member.moderated", room))


async def test_an_invitation_can_be_turned_down(ana, bob):
    room = await a_room(ana, private=True)
    await ana.call("invite", {"room": room, "user": bob.name})
    await bob.until(lambda: told(bob, "invited"))
    await bob.call("leave", {"room": room})
    await ana.until(lambda: last(ana, "room.left", room))
    await bob.call("join", {"room": room})
    await rejected(bob, "there is no such room")


async def test_only_real_users_are_invited_or_written_to(ana):
    room = await a_room(ana)
    for event, data in (("invite", {"room": room}), ("direct", {})):
        with pytest.raises(RuntimeError, match="there is no such user"):
            await ana.call(event, data | {"user": "nobody-at-all"})


async def test_two_write_to_each_other_and_nobody_else_sees_it(ana, bob, eve):
    room = (await ana.call("direct", {"user": bob.name}))["room"]
    assert (await bob.call("direct", {"user": ana.name}))["room"] == room
    await ana.until(lambda: last(ana, "room.joined", room))
    await ana.says("between us", room)
    await bob.until(lambda: bob.texts(room) == ["between us"])
    await bob.until(lambda: told(bob, "notified"))
    assert told(bob, "notified")[-1]["reason"] == "direct"
    for event in ("history", "typing"):
        with pytest.raises(RuntimeError, match="only members"):
            await eve.call(event, {"room": room})
    await eve.call("join", {"room": room})
    await rejected(eve, "there is no such room")
    await eve.call("message", {"room": room, "client_id": "1", "text": "hello"})
    await rejected(eve, "only members")
    assert "between us" not in str(eve.told) + str(eve.heard)


async def test_search_is_within_ones_own_rooms(ana, bob, eve):
    room = await a_room(ana, private=True)
    word = f"w{new_id()[:10]}"
    await says(ana, f"the {word}", room)
    assert await finds(ana, text=word[:8]) == [f"the {word}"]
    assert (await eve.call("search", {"text": word}))["entries"] == []
    with pytest.raises(RuntimeError, match="only members"):
        await eve.call("search", {"text": word, "room": room})


async def test_muted_members_can_not_write_until_unmuted(ana, bob):
    room = await a_room(ana)
    await bob.join(room)
    await ana.call("moderate", {"room": room, "user": bob.name, "action": "mute"})
    await bob.until(lambda: last(bob, "member.moderated", room))
    await bob.says("let me speak", room)
    await rejected(bob, "you are muted")
    await ana.call("moderate", {"room": room, "user": bob.name, "action": "unmute"})
    await bob.until(lambda: last(bob, "member.moderated", room)["action"] == "unmute")
    await bob.says("thank you", room)
    await ana.until(lambda: ana.texts(room) == ["thank you"])


@pytest.mark.parametrize("action", ["kick", "ban"])
async def test_removed_users_stop_receiving_messages(ana, bob, action):
    room = await a_room(ana)
    await bob.join(room)
    await ana.call("moderate", {"room": room, "user": bob.name, "action": action})
    await bob.until(lambda: last(bob, "member.moderated", room))
    await says(ana, "they are gone", room)
    with pytest.raises(RuntimeError, match="only members"):
        await bob.call("history", {"room": room})
    await bob.call("join", {"room": room})
    if action == "ban":
        await rejected(bob, "you are banned")
    else:
        await bob.until(lambda: last(bob, "room.joined", room).get("user") == bob.name)
    assert "they are gone" not in bob.texts(room)


async def test_nobody_moderates_without_being_owner_or_manager(ana, bob, eve, users):
    room = await a_room(ana)
    for person in (bob, eve):
        await person.join(room)
    await eve.call("moderate", {"room": room, "user": bob.name, "action": "kick"})
    await rejected(eve, "only the room's owner or a manager")
    users.change(eve.name, role="manager")
    await eve.disconnect()
    await eve.connect()
    await eve.call("moderate", {"room": room, "user": bob.name, "action": "kick"})
    await ana.until(lambda: last(ana, "member.moderated", room))


async def test_users_banned_from_the_chat_are_disconnected_at_once(ana, bob, users):
    users.change(ana.name, role="manager")
    status, _ = await ana._ask("POST", f"/api/manage/users/{bob.name}", {"banned": True})
    assert status == 200
    await bob.until(lambda: told(bob, "signed-out"))
    assert told(bob, "signed-out") == [account_banned().fields]
    with pytest.raises(RuntimeError, match="this account is banned"):
        await bob._log_in()
    await ana._ask("POST", f"/api/manage/users/{bob.name}", {"banned": False})
    await bob._log_in()


async def test_another_password_closes_the_sockets_of_other_sessions(ana, url):
    async with Person(ana.name, url) as elsewhere:
        given = {"old": ana.password, "new": "another password"}
        assert (await ana._ask("POST", "/api/password", given))[0] == 200
        await elsewhere.until(lambda: told(elsewhere, "signed-out"))
        assert await ana.says("still here")


async def test_logging_out_closes_the_sessions_own_sockets(ana, url):
    async with Person(ana.name, url) as elsewhere:
        assert (await elsewhere._ask("POST", "/api/logout", {}))[0] == 200
        await elsewhere.until(lambda: told(elsewhere, "signed-out"))
        assert await ana.says("still here")


@pytest.mark.parametrize(
    "retried",
    ["any text", pytest.param(new_client_id(), marks=pytest.mark.slow)],
    ids=["text", "time"],
)
async def test_a_retry_after_a_thousand_messages_is_harmless(ana, bob, retried):
    """The room has forgotten it, the log has not: nobody sees it twice, or is told twice."""
    room = await a_room(ana)
    await bob.join(room)
    await ana.says(f"once, @{bob.name}", room, retried)
    for start in range(0, 1100, 100):
        await asyncio.gather(*(ana.says(f"{start + n}", room) for n in range(100)))
    await ana.says(f"once, @{bob.name}", room, retried)
    at = await says(ana, "the end", room)
    await bob.until(lambda: bob.heard[room].get(at))
    assert [text for text in bob.texts(room) if "once" in text] == [f"once, @{bob.name}"]
    assert sorted(bob.heard[room]) == [*range(min(bob.heard[room]), at + 1)]
    page = await bob.call("history", {"room": room, "after": at - 2})
    assert [entry["position"] for entry in page["entries"]] == [at - 1, at]
    assert len([notice for notice in told(bob, "notified") if notice["room"] == room]) == 1
