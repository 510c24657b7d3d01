"""Who is banned tries to stay: by sockets that come in while the ban is spread, and as an owner."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import socketio

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.protocol.fields import LOBBY
from nochat.settings import Settings
from nochat.stores.users import UserStore

SOCKETS = 12
ROOMS = 60  # of one's own: the list of them takes its time
ROUNDS = 4


class Ear:
    """One more socket of somebody, and what it heard."""

    def __init__(self, person):
        self.person, self.texts = person, []
        self.welcomed, self._changed = False, asyncio.Event()
        self.socket = self._client()

    def _client(self):
        client = socketio.AsyncClient(
            http_session=self.person._http, reconnection=False, handle_sigint=False
        )
        client.on("entries", self._heard)
        client.on("welcome", self._welcome)
        client.on("disconnect", lambda *_: self._changed.set())
        return client

    async def come(self):
        await self.socket.connect(self.person.url, transports=["websocket"], wait_timeout=None)

    async def leave(self):
        await self.socket.disconnect()

    async def be_welcome(self):
        """Wait for the welcome; a busy chat may close the socket without: then come again."""
        while not self.welcomed:
            self._changed.clear()
            if not self.socket.connected:
                self.socket = self._client()  # the other may not be quite closed
                await self.come()
            await self._changed.wait()

    def _welcome(self, _):
        self.welcomed = True
        self._changed.set()

    def _heard(self, data):
        self.texts += [entry["text"] for entry in data["entries"] if "text" in entry]
        self._changed.set()

    async def until(self, text):
        while text not in self.texts:
            self._changed.clear()
            await self._changed.wait()


async def kinds(person, room, kind):
    await person.until(lambda: kind in str(person.heard.get(room)), what=f"{kind} in {room}")


async def a_private_room(ana, bob):
    room = f"r-{new_id()[:16]}"
    await ana.call("create", {"room": room, "title": "Ours", "private": True})
    await ana.call("invite", {"room": room, "user": bob.name})
    await bob.until(lambda: f"'room': '{room}'" in str(bob.told), what="the invitation")
    await bob.call("join", {"room": room})
    await ana.until(lambda: f"'user': '{bob.name}'" in str(ana.heard.get(room)))
    return room


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_sockets_that_come_while_their_user_is_banned_hear_nothing_of_the_room(chat):
    async with (
        asyncio.timeout(120),
        Person(f"ana{new_id()[:6]}", chat.url) as ana,
        Person(f"bob{new_id()[:6]}", chat.url) as bob,
    ):
        for _ in range(ROOMS):
            await bob.call("create", {"room": f"r-{new_id()[:10]}", "title": "One of many"})
        for _ in range(ROUNDS):
            await evade(ana, bob)


async def evade(ana, bob):
    """Ban bob while his sockets come; then nobody but ana hears what she says, or reads it."""
    room, secret, mark = await a_private_room(ana, bob), f"secret {new_id()}", f"mark {new_id()}"
    ears = [Ear(bob) for _ in range(SOCKETS)]
    async with AsyncExitStack() as stack:
        for ear in ears:
            stack.push_async_callback(ear.leave)
        coming = [asyncio.create_task(ear.come()) for ear in ears]
        await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
        # From now on the chat looks up which rooms they see.
        await ana.call("moderate", {"room": room, "user": bob.name, "action": "ban"})
        await asyncio.gather(*coming)
        await kinds(ana, room, "member.moderated")
        await asyncio.gather(*(ear.be_welcome() for ear in ears))
        await ana.says(secret, room)
        await ana.says(mark, LOBBY)
        await asyncio.gather(*(ear.until(mark) for ear in ears))
        assert sum(secret in ear.texts for ear in ears) == 0
        for ear in ears:
            answer = await ear.socket.call("history", {"room": room})
            assert "only members" in answer.get("error", answer)


async def test_an_owner_who_is_banned_has_no_power_left(attacked, tmp_path):
    """A manager bans the owner, who deletes what others wrote, and bans them."""
    async with (
        attacked() as url,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
        Person("boss", url) as boss,
    ):
        users = UserStore(f"sqlite:///{Settings(data_dir=str(tmp_path)).data_path / 'users.db'}")
        users.change("boss", role="manager")
        users.close()
        room = await a_private_room(ana, bob)
        await bob.says("mine", room)
        await kinds(bob, room, "message.sent")
        position = max(bob.heard[room])
        banned = f"/api/manage/rooms/{room}/members/ana"
        assert (await boss._ask("POST", banned, {"action": "ban"}))[0] == 200
        await kinds(bob, room, "member.moderated")
        await ana.call("delete", {"room": room, "position": position})
        for action in ("ban", "kick", "mute"):
            await ana.call("moderate", {"room": room, "user": "bob", "action": action})
        await ana.call("invite", {"room": room, "user": "boss"})
        await ana.until(lambda: sum(event == "rejected" for event, _ in ana.told) == 5)
        await bob.says("still here", room)
        await bob.until(lambda: bob.texts(room) == ["mine", "still here"])
        page = await bob.call("history", {"room": room})
        assert [entry.get("text") for entry in page["entries"] if "text" in entry] == [
            "mine",
            "still here",
        ]
        # A manager still looks after the room.
        kicked = f"/api/manage/rooms/{room}/members/bob"
        assert (await boss._ask("POST", kicked, {"action": "kick"}))[0] == 200
        await bob.until(lambda: "kick" in str(bob.heard[room]))
