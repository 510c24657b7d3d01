"""A service in a chat in memory, which lives three times, and gets the same events each time.

In its first life it is killed when it is about to answer; in the second one, after all answers, and
before their events are acknowledged. A life is a process: nothing is left of it but files.
"""

import asyncio
import hashlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from nochat import testing
from nochat.bus import Batch, Binding, Queue
from nochat.bus.routing import COMMANDS, shard_queue
from nochat.lab.exercise import workers
from nochat.lab.exercise.answers import show_answers
from nochat.lab.exercise.notes import Notes
from nochat.local.processes import until
from nochat.protocol.commands import Command, CreateRoom, JoinRoom, SendMessage
from nochat.protocol.envelope import Envelope
from nochat.protocol.events import CommandRejected, MessageSent, RoomCreated, RoomJoined
from nochat.runtime import registry
from nochat.service import Service
from nochat.settings import Settings

LIVES = 3
MOST_SECONDS = 60  # of a life, on a busy machine
STUCK_SECONDS = 10.0  # in which an event is handled
MANY = 30  # commands for one event: those of a service that answers itself

Entry = RoomCreated | RoomJoined | MessageSent


@dataclass(frozen=True)
class Said:
    """A message of a person in a room."""

    room: str
    sender: str
    text: str


@dataclass(frozen=True)
class Script:
    """The events of each life.

    Attributes:
        people: they all join all rooms.
        rooms: the lobby, and others.
        said: what they say, in order.
        salt: makes the ids of the events.
    """

    people: Sequence[str]
    rooms: Sequence[str]
    said: Sequence[Said]
    salt: str

    def commands(self) -> Iterator[Command]:
        """Yield the commands; two people use the same client ids."""
        for room in self.rooms:
            first, *others = self.people
            yield CreateRoom(room, first, room.title())
            for person in (first, *others):
                yield JoinRoom(room, person)
        count = dict.fromkeys(self.people, 0)
        for said in self.said:
            count[said.sender] += 1
            yield SendMessage(said.room, said.sender, f"c{count[said.sender]}", said.text)


class Turn(msgspec.Struct, frozen=True):
    """The answers of a service to an event, or how a life failed.

    Attributes:
        life: its number, from 0.
        event: the event.
        commands: the commands that it sent.
        refused: the reasons of those that the chat refused.
        failed: the error that ended the life.
        loops: whether it did not end.
        service: the service's name, where it answered.
    """

    life: int
    event: Entry
    commands: list[JoinRoom | SendMessage] = []
    refused: list[str] = []
    failed: str = ""
    loops: bool = False
    service: str = ""

    @property
    def sent(self) -> list[SendMessage]:
        """The messages that it sent."""
        return [command for command in self.commands if isinstance(command, SendMessage)]


def live(file: Path, script: Script, folder: Path) -> list[Turn]:
    """Let the service in a file live; return what it did.

    Args:
        file: the file.
        script: what happens.
        folder: for the notes, and for what the service keeps.
    """
    notes = Notes(folder / "turns")
    worker = workers.start(folder, _live, file, script, notes)
    try:
        until(lambda: not worker.alive, LIVES * MOST_SECONDS + 10.0)
    finally:
        worker.stop()
    return [msgspec.json.decode(line, type=Turn) for line in notes.lines()]


def _live(file: Path, script: Script, notes: Notes) -> None:
    for life in range(LIVES):
        # Processes, as a module is imported once in each; nothing runs beside this thread.
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status):
                error = f"it did not end within {MOST_SECONDS} seconds"
                return _note(notes, Turn(life, _NOTHING, failed=error))
        else:
            signal.alarm(MOST_SECONDS)
            try:
                asyncio.run(_life(life, file, script, notes))
            except BaseException as error:
                told = f"{type(error).__name__}: {error}"
                _note(notes, Turn(life, _NOTHING, failed=told))
            os._exit(0)


_NOTHING = RoomCreated("lobby", 1, "nobody", "Lobby")


def _note(notes: Notes, turn: Turn) -> None:
    notes.add(msgspec.json.encode(turn).decode())


async def _life(life: int, file: Path, script: Script, notes: Notes) -> None:
    service: Service[Any] = registry.own_service(str(file))
    settings = Settings(data_dir=str(notes.path.parent / "data"))
    testing.PATIENCE = STUCK_SECONDS
    async with testing.Chat(settings=settings) as chat:
        await chat.bus.publish(*script.commands())
        await chat.settle()
        events = [_again(event, script) for event in chat.happened if isinstance(event, Entry)]
        sent: list[Envelope] = []
        turn = Turn(life, _NOTHING)

        async def hear(batch: Batch) -> None:
            sent.extend(batch.events)
            batch.ack()
            if len(sent) > MANY:
                _note(notes, msgspec.structs.replace(turn, loops=True))
                os._exit(0)

        shards = [shard_queue(number).name for number in range(settings.shards)]
        await chat.bus.subscribe(
            Queue("judge", tuple(Binding(COMMANDS, name) for name in shards)), hear
        )
        if life == 0:
            show_answers(service, _die_before_an_answer)
        async with service.running(chat.bus, settings, "judged"):
            await chat.settle()
            # In the order in which the rooms' entries came: that of each room is always the same.
            for event in sorted(events, key=lambda event: (event.position, event.room)):
                sent.clear()
                turn, before = Turn(life, event), len(chat.happened)
                await chat.publish(event)
                commands = [c for c in sent if isinstance(c, JoinRoom | SendMessage)]
                refusals = [e for e in chat.happened[before:] if isinstance(e, CommandRejected)]
                refused = [refusal.reason for refusal in refusals]
                _note(notes, Turn(life, event, commands, refused, service=service.name))
            os._exit(0)  # killed: nothing is closed


def _again(event: Entry, script: Script) -> Entry:
    """Return an event as it comes in each life: the same one, by its id."""
    text = f"{script.salt}/{event.room}/{event.position}"
    id = hashlib.sha256(text.encode()).hexdigest()[:32]
    return msgspec.structs.replace(event, id=id, correlation_id=id)


def _die_before_an_answer(_: Any, answer: list[Envelope]) -> None:
    if any(isinstance(envelope, SendMessage) for envelope in answer):
        os._exit(0)
