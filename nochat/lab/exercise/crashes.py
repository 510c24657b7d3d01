"""A service beside a chat on RabbitMQ, which is killed between its answer and its ack."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nochat.bus import Batch, Binding, Bus, Queue, connect
from nochat.bus.counters import Tally
from nochat.bus.routing import EVENTS
from nochat.errors import NochatError
from nochat.lab import checks
from nochat.lab.exercise import workers
from nochat.lab.exercise.amqp import connected
from nochat.lab.exercise.answers import show_answers
from nochat.lab.exercise.notes import Notes
from nochat.local.processes import ChildProcess
from nochat.protocol.commands import CreateRoom, DeleteRoom, SendMessage
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.events import Event, MessageSent, RoomCreated, RoomJoined
from nochat.runtime import registry
from nochat.service import Service
from nochat.settings import Settings

SECONDS = 15.0  # for each step
ROLL = "/roll"

E = TypeVar("E", bound=Event)


class Ear:
    """One room of a chat, and what happens in it.

    Args:
        room: the room.
        judge: who says /roll there.
    """

    def __init__(self, room: str, judge: str) -> None:
        self._room, self._judge = room, judge
        self._heard: list[Event] = []

    async def __call__(self, batch: Batch) -> None:
        """Hear a batch of events."""
        events = [event for event in batch.events if isinstance(event, Event)]
        self._heard += [event for event in events if getattr(event, "room", "") == self._room]
        batch.ack()

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of a kind."""
        return [event for event in self._heard if isinstance(event, kind)]

    @property
    def rolls(self) -> list[MessageSent]:
        """Return the judge's messages."""
        return [said for said in self.of(MessageSent) if said.sender == self._judge]

    def answers(self, said: MessageSent, name: str, ids: set[str]) -> list[MessageSent]:
        """Return the messages of a name that a message has caused, with one of these client ids."""
        return [
            answer
            for answer in self.of(MessageSent)
            if answer.sender == name and answer.correlation_id == said.correlation_id
            if answer.client_id in ids
        ]


async def crash(
    file: Path, name: str, url: str, folder: Path
) -> list[tuple[MessageSent, list[MessageSent]]]:
    """Let a service answer a /roll, die before its ack, and come back.

    The service has a queue of its own, as another process of it may run in the chat.

    Args:
        file: the service's file.
        name: the name that it writes under.
        url: the RabbitMQ, where a chat runs.
        folder: for notes.

    Returns:
        Two messages, each with the answers that the chat has stored.

    Raises:
        NochatError: no chat runs there.
    """
    mark = secrets.token_hex(4)
    room = judge = f"judge-{mark}"
    ear, notes = Ear(room, judge), Notes(folder / "handled")
    queue = f"{name}-{room}"
    try:
        async with _hearing(url, judge, ear) as bus:
            async with _process(folder, file, url, queue, notes, dies=True) as first:
                await bus.publish(CreateRoom(room, judge, "Judge"))
                if not await _until(lambda: ear.of(RoomCreated)):
                    raise NochatError("no chat answers on this RabbitMQ: start one first")
                await _until(lambda: name in [e.user for e in ear.of(RoomJoined)])
                await bus.publish(SendMessage(room, judge, "first", ROLL))
                await _until(lambda: not first.alive)
            async with _process(folder, file, url, queue, notes, dies=False):
                # The first /roll comes again, and is answered before the second one.
                await _until(lambda: _times(notes, ear.rolls[:1]) > 1)
                await bus.publish(SendMessage(room, judge, "second", ROLL))
                await _until(lambda: _answered(notes, ear, name)[1:])
            await bus.publish(DeleteRoom(room, judge, manager=True))
            return [(said, ear.answers(said, name, _ids(notes))) for said in ear.rolls]
    finally:
        await asyncio.to_thread(_delete, url, queue)


async def _until(probe: Callable[[], Any]) -> Any:
    return await checks.until(probe, SECONDS, what="your service")


@asynccontextmanager
async def _hearing(url: str, judge: str, ear: Ear) -> AsyncIterator[Bus]:
    kinds = (RoomCreated, RoomJoined, MessageSent)
    bindings = tuple(Binding(EVENTS, type_of(kind)) for kind in kinds)
    async with connect(url, judge) as bus:
        await bus.subscribe(Queue(judge, bindings, durable=False, exclusive=True), ear)
        yield bus


@asynccontextmanager
async def _process(
    folder: Path, file: Path, url: str, queue: str, notes: Notes, *, dies: bool
) -> AsyncIterator[ChildProcess]:
    """Run the service in a process of its own, which is killed at the end of the block."""
    ready = folder / f"ready-{dies}"
    worker = await asyncio.to_thread(
        workers.start, folder, _serve, file, url, queue, notes, ready, dies
    )
    try:
        await _until(lambda: ready.exists() or not worker.alive)
        yield worker
    finally:
        await asyncio.to_thread(worker.stop)


def _delete(url: str, queue: str) -> None:
    with connected(url) as channel:
        channel.queue_delete(queue)


# ---- the notes of the service's processes -------------------------------------------------------


def _lines(notes: Notes) -> list[list[str]]:
    """Return for each handled event its id, and the client ids of the answers."""
    return [json.loads(line) for line in notes.lines()]


def _times(notes: Notes, rolls: list[MessageSent]) -> int:
    return sum(line[0] in [said.id for said in rolls] for line in _lines(notes))


def _ids(notes: Notes) -> set[str]:
    return {id for line in _lines(notes) for id in line[1:]}


def _answered(notes: Notes, ear: Ear, name: str) -> list[MessageSent]:
    return [said for said in ear.rolls if ear.answers(said, name, _ids(notes))]


def _serve(file: Path, url: str, queue: str, notes: Notes, ready: Path, dies: bool) -> None:
    asyncio.run(_served(file, url, queue, notes, ready, dies))


async def _served(file: Path, url: str, queue: str, notes: Notes, ready: Path, dies: bool) -> None:
    service: Service[Any] = registry.own_service(str(file))
    service.name = queue
    show_answers(service, partial(_note, notes))
    if dies:
        _die_after_an_answer()
    settings = Settings(bus_url=url, data_dir=str(notes.path.parent / "data"))
    async with connect(url, queue) as bus, service.running(bus, settings, "judged"):
        ready.touch()
        await asyncio.Event().wait()


def _note(notes: Notes, events: Any, answer: list[Envelope]) -> None:
    """Note each event, and the client ids of the answer."""
    ids = [sent.client_id for sent in answer if isinstance(sent, SendMessage)]
    for event in events if isinstance(events, list) else [events]:
        notes.add(json.dumps([event.id, *ids]))


def _die_after_an_answer() -> None:
    """Let this process be killed when the broker has confirmed an answer: before the ack."""
    note: Callable[[Tally, Iterable[type[Envelope]]], None] = Tally.note_published

    def dies(tally: Tally, kinds: Iterable[type[Envelope]]) -> None:
        published = list(kinds)
        note(tally, published)
        if SendMessage in published:
            os.kill(os.getpid(), signal.SIGKILL)

    Tally.note_published = dies  # type: ignore[method-assign, assignment]
