"""A chat without servers, for tests of your own services: a bus, people and rooms in memory.

    async with Chat(service) as chat:
        await chat.person("ana").say("hello @greeter")
        assert chat.room().texts(by="greeter") == ["Yes, ana?"]

The controller and the notifications are the chat's own. Messages are kept in a list, and every user
has an account.
"""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from nochat.bus import Bus, connect
from nochat.domain.room import Room as State
from nochat.errors import NochatError, RequestFailed
from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import Command, JoinRoom, SendMessage
from nochat.protocol.envelope import new_id
from nochat.protocol.events import CommandRejected, Event, LogEntry, MessageSent
from nochat.protocol.fields import LOBBY
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import (
    Account,
    Accounts,
    FindMessages,
    FindRooms,
    FindUser,
    FoundMessages,
    FoundRooms,
    GetHistory,
    GetRoomState,
    History,
    KnownRoom,
    RoomListing,
    RoomState,
)
from nochat.service import Service
from nochat.services.controller import ControllerState
from nochat.services.controller import service as controller
from nochat.services.notifications import service as notifications
from nochat.settings import Settings

PATIENCE = 10.0  # seconds that services may take to handle a step

E = TypeVar("E", bound=Event)


class Chat:
    """A chat in this process. Use it in `async with`.

    Args:
        own: your services, which replace the chat's of the same name.
        settings: the services' settings.

    Attributes:
        bus: the bus, for events and for requests to your services.
        happened: all events so far, including yours, in order.
    """

    bus: Bus

    def __init__(self, *own: Service[Any], settings: Settings | None = None) -> None:
        self.happened: list[Event] = []
        self._settings = settings or Settings()
        wanted: list[Service[Any]] = [self._log(), _accounts(), notifications, *own]
        self._services = {service.name: service for service in wanted}.values()
        self._stack = AsyncExitStack()
        self._known: ControllerState

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            url = f"memory://{new_id()}"

            async def connected(name: str) -> Bus:
                return await stack.enter_async_context(connect(url, name, self._settings.shards))

            self.bus = await connected("testing")
            running = controller.running(await connected(controller.name), self._settings)
            self._known = (await stack.enter_async_context(running)).resource
            for service in self._services:
                bus = await connected(service.name)
                await stack.enter_async_context(service.running(bus, self._settings, "test"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def person(self, name: str) -> "Person":
        """Return a user of the chat."""
        return Person(self, name)

    def room(self, id: str = LOBBY) -> "Room":
        """Return a room, which may not exist."""
        return Room(self, id)

    def events(self, kind: type[E]) -> list[E]:
        """Return the events of a kind, in order."""
        return [event for event in self.happened if isinstance(event, kind)]

    async def publish(self, *events: Event) -> None:
        """Publish events, as another service, and settle."""
        await self.bus.publish(*events)
        await self.settle()

    async def settle(self) -> None:
        """Wait until all published messages, and those that they caused, are handled.

        Raises:
            NochatError: a service failed, or messages never end.
        """
        left = await self.bus.drain(PATIENCE)
        async with self.bus.dead_letters() as letters:
            if letters.all:
                first = letters.all[0]
                raise NochatError(f"{first.queue} failed at {first.type}: {first.reason}")
        if left:
            waiting = ", ".join(f"{count} in {queue}" for queue, count in left.items())
            raise NochatError(f"not handled after {PATIENCE:.0f} s: {waiting}; is it a loop?")

    def state(self, room: str) -> State:
        """Return a room's state in the controller; without a title if it was never created."""
        queues = self._known.rooms.values()
        return next((rooms[room] for rooms in queues if room in rooms), State(room))

    def _log(self) -> Service[None]:
        """Return the stand-in for the service `activity`."""
        log: Service[None] = Service("activity", single_active_consumer=True)
        log.on(*catalogue(Event).values(), batch=True)(self._note)
        log.on(GetRoomState)(self._room_state)
        log.on(GetHistory)(self._history)
        log.on(FindRooms)(self._find_rooms)
        log.on(FindMessages)(_find)
        return log

    async def _note(self, events: list[Event]) -> None:
        self.happened += events

    async def _room_state(self, asked: GetRoomState) -> RoomState:
        others = [KnownRoom(room=self.state(room).info) for room in asked.others]
        return RoomState(room=self.state(asked.room).info, others=others)

    async def _history(self, asked: GetHistory) -> History:
        entries = [
            event
            for event in self.happened
            if isinstance(event, LogEntry) and event.room == asked.room
        ]
        if asked.after is not None:
            chosen = [entry for entry in entries if entry.position > asked.after]
            part, more = chosen[: asked.limit], len(chosen) > asked.limit
        else:
            chosen = [entry for entry in entries if entry.position < (asked.before or 2**53)]
            part, more = chosen[-asked.limit :], len(chosen) > asked.limit
        return History(asked.room, entries=part, more=more)

    async def _find_rooms(self, asked: FindRooms) -> FoundRooms:
        states = [room for rooms in self._known.rooms.values() for room in rooms.values()]
        listed = [
            RoomListing(
                room=state.id, title=state.title, owner=state.owner, members=len(state.members)
            )
            for state in sorted(states, key=lambda room: room.id)
            if state.title and state.kind == "public" and not state.deleted
            if asked.only in ("", state.id) and asked.text.lower() in state.title.lower()
            if state.id > asked.after
        ]
        return FoundRooms(rooms=listed[: asked.limit], more=len(listed) > asked.limit)


class Person:
    """A user of the chat. Each method returns after all its effects are handled.

    Attributes:
        name: the user's name.
    """

    def __init__(self, chat: Chat, name: str) -> None:
        self.name, self._chat = name, chat

    async def join(self, room: str = LOBBY) -> None:
        """Join a room.

        Raises:
            RequestFailed: the chat refuses it.
            NochatError: a service failed to handle its effects.
        """
        await self.do(JoinRoom(room, self.name))

    async def say(self, text: str, room: str = LOBBY) -> None:
        """Send a message, and join the room first if necessary.

        Raises:
            RequestFailed: the chat refuses it.
            NochatError: a service failed to handle its effects.
        """
        if self.name not in self._chat.room(room).members:
            await self.join(room)
        await self.do(SendMessage(room, self.name, client_id=new_id(), text=text))

    async def do(self, command: Command) -> None:
        """Send any command.

        Raises:
            RequestFailed: the chat refuses it.
            NochatError: a service failed to handle its effects.
        """
        await self._chat.bus.publish(command)
        await self._chat.settle()
        for event in self._chat.events(CommandRejected):
            if event.command_id == command.id:
                raise RequestFailed(Reason.of(event))


class Room:
    """The current state of a room.

    Attributes:
        id: the room's id.
    """

    def __init__(self, chat: Chat, id: str) -> None:
        self.id, self._chat = id, chat

    @property
    def members(self) -> list[str]:
        """The names of its members, in order."""
        return sorted(self._chat.state(self.id).members)

    @property
    def messages(self) -> list[MessageSent]:
        """The messages sent to it, unchanged by edits."""
        return [event for event in self._chat.events(MessageSent) if event.room == self.id]

    def texts(self, by: str | None = None) -> list[str]:
        """Return the texts of its messages: all, or those of one user."""
        return [message.text for message in self.messages if by in (None, message.sender)]


def _accounts() -> Service[None]:
    """Return the stand-in for the service `users`."""
    accounts: Service[None] = Service("users")

    @accounts.on(FindUser)
    async def find(asked: FindUser) -> Accounts:
        return Accounts(accounts=[Account(name=asked.user)])

    return accounts


async def _find(_: FindMessages) -> FoundMessages:
    return FoundMessages()  # the controller remembers all of them
