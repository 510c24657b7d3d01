"""A gateway whose answers come late: what was spread meanwhile counts, not what they say."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest import mock
from urllib.parse import urlsplit

import pytest
import socketio

from nochat.errors import RequestFailed
from nochat.protocol.commands import ModerateMember
from nochat.protocol.envelope import new_id
from nochat.protocol.events import (
    AccountChanged,
    MemberModerated,
    MessageSent,
    RoomJoined,
    RoomLeft,
    SessionsEnded,
    TypingStarted,
)
from nochat.protocol.payloads import COOKIE
from nochat.protocol.reasons import room_members_only
from nochat.protocol.requests import (
    Account,
    Accounts,
    FindUser,
    GetHistory,
    GetRooms,
    History,
    Rooms,
    RoomSummary,
    Session,
    WhoIs,
)
from nochat.runtime import bootstrap, registry
from nochat.service import Service
from nochat.services import gateway
from nochat.services.gateway import sockets, verification
from nochat.services.gateway.connections import Connection
from nochat.settings import Settings

NEVER = 2e9  # when sessions end

OUT = {
    "ban": lambda at: MemberModerated("r", at, "ana", "bob", "ban"),
    "kick": lambda at: MemberModerated("r", at, "ana", "bob", "kick"),
    "leave": lambda at: RoomLeft("r", at, "bob"),
}


def room(name, position, *members, kind="private"):
    return RoomSummary(
        room=name, title=name, kind=kind, owner="ana", members=[*members], position=position
    )


def said(position, text, room="r"):
    return MessageSent(room, position, "ana", f"c{position}", text)


@dataclass
class Around:
    """What stands around a gateway, and how things are; a token is its user's name."""

    rooms: dict[str, RoomSummary] = field(default_factory=dict)
    log: list[MessageSent] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    commands: asyncio.Queue[ModerateMember] = field(default_factory=asyncio.Queue)
    late: type | None = None  # the question whose next answer waits for `released`
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    questions: list[GetRooms] = field(default_factory=list)
    gateway: sockets.Sockets | None = None
    url: str = ""

    async def answer(self, request, reply):
        """The answer as things were when it was asked for."""
        if type(request) is self.late:
            self.late = None
            self.asked.set()
            await self.released.wait()
        return reply

    async def who_is(self, request: WhoIs) -> Session:
        user = request.token
        if user in self.over:
            return Session()
        role = self.roles.get(user, "user")
        session = Session(user=user, role=role, digest=f"digest of {user}", expires=NEVER)
        return await self.answer(request, session)

    async def find(self, request: FindUser) -> Accounts:
        return Accounts(accounts=[Account(name=request.user)])

    async def list(self, request: GetRooms) -> Rooms:
        self.questions.append(request)
        visible = [
            known
            for known in self.rooms.values()
            if request.room in ("", known.room)
            and (known.kind == "public" or request.user in known.members)
        ]
        return await self.answer(request, Rooms(rooms=visible))

    async def history(self, request: GetHistory) -> History:
        if request.user not in self.rooms[request.room].members:
            raise RequestFailed(room_members_only())
        entries = [message for message in self.log if message.room == request.room]
        return await self.answer(request, History(room=request.room, entries=entries))

    async def decide(self, command: ModerateMember) -> None:
        self.commands.put_nowait(command)

    async def hears(self, *events):
        """Let the gateway spread what happened in a room, all at once."""
        self.log += [event for event in events if isinstance(event, MessageSent)]
        await self.gateway.fan_out.spread(events)

    def services(self):
        users, controller = Service("users"), Service("controller")
        activity = Service("activity", single_active_consumer=True)
        users.on(WhoIs)(self.who_is)
        users.on(FindUser)(self.find)
        activity.on(GetRooms)(self.list)
        activity.on(GetHistory)(self.history)
        controller.on(ModerateMember)(self.decide)
        return [users, activity, controller, gateway.service]

    @asynccontextmanager
    async def client(self, user, **auth):
        client = Client(user)
        await client.connect(self.url, **auth)
        try:
            yield client
        finally:
            await client.socket.disconnect()


class Client:
    """A user's socket, and what it heard."""

    def __init__(self, user):
        self.user, self.heard = user, []
        self.socket = socketio.AsyncClient(reconnection=False)
        self.socket.on("*", self._hear)
        self.refused = []
        self.socket.on("connect_error", self.refused.append)
        self._changed = asyncio.Event()

    async def connect(self, url, **auth):
        cookie = f"{COOKIE}_{urlsplit(url).port}={self.user}"
        await self.socket.connect(
            url, {"Cookie": cookie}, auth=auth, transports=["websocket"], wait_timeout=30
        )

    async def _hear(self, event, data=None):
        self.heard.append((event, data))
        self._changed.set()

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not condition(str(self.heard)):
                self._changed.clear()
                await self._changed.wait()

    def told(self, event):
        return [data for name, data in self.heard if name == event]


@pytest.fixture
async def around(monkeypatch):
    """A gateway with nothing real around it: `r` is a private room of ana and bob."""
    around = Around()
    around.rooms = {
        "r": room("r", 3, "ana", "bob"),
        "lobby": room("lobby", 3, "ana", "bob", "eve", kind="public"),
    }

    class Captured(sockets.Sockets):
        def __init__(self, *given):
            super().__init__(*given)
            around.gateway = self

    monkeypatch.setattr(sockets, "Sockets", Captured)
    settings = Settings(bus_url=f"memory://{new_id()}", gateway_port=0, user_rate=0, address_rate=0)
    with mock.patch.object(registry, "services", return_value=[]):
        async with bootstrap.started(around.services(), settings) as around.url:
            yield around


async def hears_nothing_more(around, bob):
    """What is said from now on in `r` does not come to bob, who hears the lobby."""
    await around.hears(said(8, "a secret"))
    await around.hears(said(8, "a mark", "lobby"))
    await bob.until(lambda heard: "a mark" in heard)
    assert "a secret" not in str(bob.heard)
    answer = await bob.socket.call("history", {"room": "r"})
    assert "only members" in answer["error"]
    assert "only members" in (await bob.socket.call("typing", {"room": "r"}))["error"]
    # And nothing is remembered for longer than an answer takes.
    assert not around.gateway.replies._moves
    assert not around.gateway.replies._changes


@pytest.mark.parametrize("how", OUT)
async def test_a_list_of_rooms_that_is_older_than_their_end_opens_none(around, how):
    around.late = GetRooms
    async with around.client("bob") as bob:
        await around.asked.wait()
        around.rooms["r"] = room("r", 4, "ana")
        await around.hears(OUT[how](4))
        around.released.set()
        await bob.until(lambda heard: "welcome" in heard)
        assert [summary["room"] for summary in bob.told("welcome")[0]["rooms"]] == ["lobby"]
        await hears_nothing_more(around, bob)


async def test_a_store_that_is_behind_what_was_spread_is_asked_again_and_not_for_ever(around):
    await around.hears(OUT["ban"](4))
    async with around.client("bob") as bob:
        await bob.until(lambda heard: "welcome" in heard)
        assert [summary["room"] for summary in bob.told("welcome")[0]["rooms"]] == ["lobby"]
        assert 2 < len(around.questions) < 10
        around.rooms["r"] = room("r", 4, "ana")
        await hears_nothing_more(around, bob)


async def test_a_user_who_rejoins_meanwhile_is_in(around):
    around.late = GetRooms
    async with around.client("bob") as bob:
        await around.asked.wait()
        await around.hears(OUT["kick"](4), RoomJoined("r", 5, "bob"))
        around.rooms["r"] = room("r", 5, "ana", "bob")
        around.released.set()
        await bob.until(lambda heard: "welcome" in heard)
        assert {summary["room"] for summary in bob.told("welcome")[0]["rooms"]} == {"r", "lobby"}
        await around.hears(said(6, "hello again"))
        await bob.until(lambda heard: "hello again" in heard)


async def test_a_flood_in_a_room_keeps_nobody_out_of_it(around):
    """An answer is always a little older than what is being said."""
    around.late = GetRooms
    async with around.client("bob") as bob:
        await around.asked.wait()
        await around.hears(*(said(at, "flood") for at in range(4, 40)))
        around.released.set()
        await around.hears(said(40, "hello"))
        await bob.until(lambda heard: "hello" in heard)
        assert len(around.questions) == 1


async def test_an_introduction_that_is_older_than_the_end_is_not_given(around):
    around.rooms["r"] = room("r", 3, "ana")
    async with around.client("bob") as bob:
        await bob.until(lambda heard: "welcome" in heard)
        around.late = GetRooms
        around.rooms["r"] = room("r", 4, "ana", "bob")
        await around.hears(RoomJoined("r", 4, "bob"))
        await around.asked.wait()
        around.rooms["r"] = room("r", 5, "ana")
        await around.hears(OUT["ban"](5))
        around.released.set()
        await hears_nothing_more(around, bob)
        assert bob.told("room") == []


async def test_missed_messages_are_not_sent_to_users_removed_meanwhile(around):
    around.log.append(said(3, "missed"))
    around.late = GetHistory
    async with around.client("bob", positions={"r": 1, "lobby": 3}) as bob:
        await around.asked.wait()
        around.rooms["r"] = room("r", 4, "ana")
        await around.hears(OUT["ban"](4))
        around.released.set()
        await hears_nothing_more(around, bob)
        assert "missed" not in str(bob.heard)


async def test_a_room_that_ends_before_what_was_missed_is_asked_for_costs_nothing_else(around):
    around.late = GetRooms
    async with around.client("bob", positions={"r": 1, "lobby": 1}) as bob:
        await around.asked.wait()
        around.released.set()
        around.rooms["r"] = room("r", 4, "ana")  # and the gateway does not know it yet
        around.log.append(said(3, "missed in the lobby", "lobby"))
        await bob.until(lambda heard: "missed in the lobby" in heard)
        await around.hears(OUT["ban"](4))
        await hears_nothing_more(around, bob)


@pytest.mark.parametrize("how", OUT)
async def test_messages_that_follow_a_removal_are_not_sent_to_the_removed_user(around, how):
    async with around.client("ana") as ana, around.client("bob") as bob:
        for person in (ana, bob):
            await person.until(lambda heard: "welcome" in heard)
        around.rooms["r"] = room("r", 6, "ana")
        await around.hears(said(4, "still here"), OUT[how](5), said(6, "they are gone"))
        await ana.until(lambda heard: "they are gone" in heard)
        await hears_nothing_more(around, bob)
        assert "still here" in str(bob.heard)
        assert "they are gone" not in str(bob.heard)


async def test_a_role_that_ends_while_it_is_asked_for_is_over(around):
    around.roles["bob"], around.late = "manager", WhoIs
    bob = Client("bob")
    connecting = asyncio.create_task(bob.connect(around.url))
    await around.asked.wait()
    await around.gateway.fan_out.account_changed(AccountChanged("bob", "ana", "user", False))
    around.released.set()
    await connecting
    await bob.until(lambda heard: "welcome" in heard)
    assert bob.told("welcome")[0]["role"] == "user"
    await bob.socket.call("moderate", {"room": "r", "user": "ana", "action": "ban"})
    async with asyncio.timeout(30):
        command = await around.commands.get()
    assert not command.manager
    await bob.socket.disconnect()


@pytest.mark.parametrize(
    "end",
    [
        SessionsEnded("bob", ["another", "digest of bob"], "this account is banned"),
        AccountChanged("bob", "ana", "user", True),
    ],
    ids=["session", "account"],
)
async def test_a_session_that_ends_while_it_is_asked_for_opens_no_socket(around, end):
    around.late = WhoIs
    bob = Client("bob")
    connecting = asyncio.create_task(bob.connect(around.url))
    await around.asked.wait()
    if isinstance(end, SessionsEnded):
        await around.gateway.fan_out.end_sessions(end)
    else:
        await around.gateway.fan_out.account_changed(end)
    around.released.set()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connecting
    (refused,) = bob.refused
    assert (refused["message"], refused["data"]["code"]) == ("log in first", "log-in.needed")


async def test_a_role_that_ends_before_the_welcome_is_not_in_it(around):
    around.roles["bob"], around.late = "manager", GetRooms
    async with around.client("bob") as bob:
        await around.asked.wait()
        await around.gateway.fan_out.account_changed(AccountChanged("bob", "ana", "user", False))
        around.released.set()
        await bob.until(lambda heard: "welcome" in heard)
        assert bob.told("welcome")[0]["role"] == "user"


async def test_after_the_bus_was_away_nobody_hears_a_room_before_it_is_known_that_they_may(around):
    """A ban, a role and the end of a session were among what the gateway missed."""
    around.roles["bob"] = "manager"
    async with (
        around.client("ana") as ana,
        around.client("bob") as bob,
        around.client("eve") as eve,
    ):
        for person in (ana, bob, eve):
            await person.until(lambda heard: "welcome" in heard)
        around.rooms["r"] = room("r", 5, "ana")
        around.roles["bob"] = "user"
        around.over.add("eve")
        around.late = WhoIs
        around.gateway.verification.resync()
        await around.hears(said(5, "too early"))
        around.released.set()
        await eve.until(lambda heard: "signed-out" in heard)
        for person in (ana, bob):
            await person.until(lambda heard: "resync" in heard)
        await around.hears(said(6, "among us"))
        await ana.until(lambda heard: "among us" in heard)
        await hears_nothing_more(around, bob)
        assert "too early" not in str(bob.heard)
        assert bob.told("role") == [{"role": "user"}]


async def test_unverified_sockets_receive_nothing_until_the_store_is_back(around, monkeypatch):
    monkeypatch.setattr(verification, "ASK_AGAIN", 0.0)
    async with around.client("bob") as bob:
        await bob.until(lambda heard: "welcome" in heard)
        failures, in_r = (
            iter([RequestFailed(room_members_only()), None]),
            room("r", 4, "ana", "bob"),
        )

        async def rooms(user, room="", ask=around.gateway.replies.rooms):
            if error := next(failures):
                around.rooms["r"] = in_r
                await around.hears(said(4, "too early"))
                raise error
            return await ask(user, room)

        monkeypatch.setattr(around.gateway.replies, "rooms", rooms)
        around.gateway.verification.resync()
        await bob.until(lambda heard: "resync" in heard)
        await around.hears(said(5, "hello"))
        await bob.until(lambda heard: "hello" in heard)
        assert "too early" not in str(bob.heard)


async def test_typing_is_shown_to_members_alone(around):
    async with around.client("ana") as ana, around.client("eve") as eve:
        for person in (ana, eve):
            await person.until(lambda heard: "welcome" in heard)
        await around.gateway.fan_out.show_typing(TypingStarted("r", "ana"))
        await around.hears(said(4, "a mark", "lobby"))
        await eve.until(lambda heard: "a mark" in heard)
        await ana.until(lambda heard: "typing" in heard)
        assert eve.told("typing") == []


def test_a_token_is_not_shown():
    connection = Connection("bob", token="secret")
    assert "secret" not in repr(connection)
