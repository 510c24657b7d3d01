"""The exercises of notebook 00: an account, and the way of a message."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nochat.lab import checks, passwords
from nochat.lab.chat import Chat, Step
from nochat.lab.errors import LabError
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.lab.exercise.guests import url_of
from nochat.lab.people import Person
from nochat.lab.waiting import patience
from nochat.protocol.envelope import type_of
from nochat.protocol.fields import LOBBY
from nochat.runtime import registry

READER, EXAMINER, WITNESS = "reader", "examiner", "witness"
OF_CELLS = frozenset({"ana", "bob", "cleo", "dora"})  # they come in later
PAGE = 200  # entries of a history at once
SECONDS, PAUSE = 10.0, 0.05


# ---- 00a ----------------------------------------------------------------------------------------


@exercise(
    "00a",
    "an account of your own, and something said in the Lobby",
    untouched="Nobody has said anything in the Lobby, and nobody came in by the page. Did you "
    "press Create account, and then write?",
    silent="{name} is in the Lobby, and has said nothing there yet. Where does a message go before "
    "you press Enter, and which room is open?",
    only_cells="Nobody spoke in the Lobby but {names}, and cells of this notebook use these names. "
    "Are you somebody else on the page? Then write there. Or did you take such a name yourself? "
    "Then run the cell that starts the chat again, and create an account with another one.",
    stopped="No chat answers: {error}",
)
async def spoke(answer: Chat, **_: Any) -> None:
    """Judge who has spoken in the Lobby of a running chat."""
    with told("stopped"):
        async with Person(READER, url_of(answer)) as reader:
            entries = await _log_of(reader)
            await reader.call("leave", {"room": LOBBY})
    made = passwords.people() | OF_CELLS
    spoke = {entry["sender"] for entry in entries if entry["type"] == "message.sent"}
    if spoke - made:
        return
    came = [entry["user"] for entry in entries if entry["type"] == "room.joined"]
    if own := [name for name in came if name not in made]:
        raise Mistake("silent", name=own[-1])
    if spoke:
        raise Mistake("only_cells", names=" and ".join(sorted(spoke)))
    raise Mistake("untouched")


async def _log_of(person: Person) -> list[dict[str, Any]]:
    """Return the Lobby's log, complete up to the person's own coming: it comes after the rest."""
    entries: list[dict[str, Any]] = []
    latest = max(person.heard.get(LOBBY, {0: {}}))
    async with patience(f"the log of {LOBBY}", SECONDS):
        while not entries or entries[-1]["position"] < latest:
            after = entries[-1]["position"] if entries else 0
            page = await person.call("history", {"room": LOBBY, "after": after, "limit": PAGE})
            entries += page["entries"]
            if not page["entries"]:
                await asyncio.sleep(PAUSE)
    return entries


# ---- 00b ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Something that a user does: its command, the event that follows, and what the latter causes.

    Attributes:
        command: the command's type.
        event: the type of the event that follows.
        act: does it; gets the person and the room.
    """

    command: str
    event: str
    act: Callable[[Person, str], Awaitable[Any]]


def _says(text: str) -> Callable[[Person, str], Awaitable[Any]]:
    return lambda person, room: person.says(f"{text} {secrets.token_hex(3)}", room)


def _to_message(event: str, **more: Any) -> Callable[[Person, str], Awaitable[Any]]:
    """Return what is done to the person's last message in a room."""

    def act(person: Person, room: str) -> Awaitable[Any]:
        entries = person.heard[room].items()
        own = [at for at, entry in entries if entry["type"] == "message.sent"]
        return person.call(event, {"room": room, "position": max(own), **more})

    return act


def _creates(person: Person, room: str) -> Awaitable[Any]:
    return person.call("create", {"room": room, "title": f"Examination {room[-4:]}"})


KINDS = {
    "creates a room": Kind("room.create", "room.created", _creates),
    "writes": Kind("message.send", "message.sent", _says("good morning")),
    "mentions": Kind("message.send", "message.sent", _says(f"good morning, @{WITNESS}")),
    "edits": Kind("message.edit", "message.edited", _to_message("edit", text="good evening")),
    "reacts": Kind("message.react", "reaction.changed", _to_message("react", emoji="👍")),
}
NOTIFIED = "user.notified"


@dataclass(frozen=True)
class Path:
    """The way of an action: services, in four sets."""

    command: frozenset[str]
    publishers: frozenset[str]
    event: frozenset[str]
    notified: frozenset[str]


@exercise(
    "00b",
    "who handles what: predictions for five things that a user can do",
    no_row="Your table has no row for “{kind}”. There are five, and their names are: {kinds}.",
    untouched="Your row for “{kind}” still has a place to fill. Each place takes a set of names of "
    "services, such as {{'web', 'users'}}, or set() for none.",
    shape="Your row for “{kind}” is {said}. It needs four places: who handles the command, who "
    "publishes the event, who handles the event, and who handles `user.notified`.",
    unknown="In “{kind}” you name {name!r}, which is no service. There are: {services}.",
    mixed_up="In “{kind}” you name {said} for the command {command}. That is who handled the event "
    "{event}. Which of the two asks for something, and which tells what has happened?",
    carrier="“{kind}”: you named the gateway for the command {command}. The gateway takes it from "
    "the socket, and publishes it: look at the trace. Who takes it from the bus, and decides?",
    command="“{kind}” makes the command {command}: {seen} handled it, and you named {said}. How "
    "many services decide, and which?",
    publisher="“{kind}”: {event} was published by {seen}, and you named {said}. Who knows first "
    "that it has happened?",
    own_event="“{kind}”: you named the controller among those that handle {event}. It published "
    "that event itself: what could it learn from it?",
    forgotten="“{kind}”: you named {said} for {event}, and {missing} more handled it. Who stores, "
    "who copies, who looks for names in a text, and who tells the people?",
    too_many="“{kind}”: you named {name}, which did not handle {event}. What would it do with it?",
    notified="“{kind}”: `user.notified` was handled by {seen}, and you named {said}. When is that "
    "event published, and who stores, copies, or delivers it?",
    failed="Your predictions can't be read: {error}",
    stopped="The examiner's messages did not come through: {error}",
)
async def predicted(answer: Any, *, chat: Chat) -> None:
    """Judge predictions for each kind against the trace of an action of the examiner's."""
    chance = random.SystemRandom()
    said = {kind: _said(answer, kind) for kind in KINDS}
    with told("stopped"):
        seen = await _traced(chat, chance.sample([*KINDS], len(KINDS)))
    for kind in KINDS:
        _compare(kind, said[kind], seen[kind])


def _said(answer: Any, kind: str) -> Path:
    """Return the prediction for a kind; a function of the kind will do as well as a table."""
    if answer is ... or answer is None:
        raise Mistake("untouched", kind=kind)
    if isinstance(answer, dict) and kind not in answer:
        raise Mistake("no_row", kind=kind, kinds=", ".join(KINDS))
    with told("failed"):
        row = answer(kind) if callable(answer) else answer[kind]
    if row is ... or row is None:
        raise Mistake("untouched", kind=kind)
    places = [*row.values()] if isinstance(row, dict) else row
    if not isinstance(places, list | tuple) or len(places) != 4:
        raise Mistake("shape", kind=kind, said=repr(row))
    if ... in places:
        raise Mistake("untouched", kind=kind)
    known = [*registry.NAMES, *registry.OPTIONAL]
    with told("failed"):
        sets = [frozenset(_names(place)) for place in places]
    for name in frozenset[str]().union(*sets):
        if name not in known:
            raise Mistake("unknown", kind=kind, name=name, services=", ".join(sorted(known)))
    return Path(*sets)


def _names(place: Any) -> Iterator[str]:
    """Read a set of names, however it was written: a name alone, a list, None, {}."""
    if isinstance(place, str):
        place = place.replace(",", " ").split()
    yield from (str(name).strip().lower() for name in place or ())


async def _traced(chat: Chat, kinds: list[str]) -> dict[str, Path]:
    """Do one thing of each kind in a room of its own, and return their ways."""
    room = f"examination-{secrets.token_hex(4)}"
    ways = {}
    async with Person(EXAMINER, chat.url) as examiner, Person(WITNESS, chat.url) as witness:
        ways["creates a room"] = await _act(chat, "creates a room", examiner, room)
        await examiner.until(lambda: room in examiner.heard)
        await witness.join(room)
        await examiner.says("the first", room)
        await examiner.until(lambda: "the first" in examiner.texts(room))
        for kind in kinds:
            if kind not in ways:
                ways[kind] = await _act(chat, kind, examiner, room)
    return ways


async def _act(chat: Chat, kind: str, person: Person, room: str) -> Path:
    """Do one thing; return its way when all that take part have noted it."""
    does = KINDS[kind]
    types = {does.command, does.event} | ({NOTIFIED} if kind == "mentions" else set())
    before = {step.correlation_id for step in chat.steps()}
    await does.act(person, room)

    def steps() -> list[Step]:
        new = [step for step in chat.steps() if step.correlation_id not in before]
        causes = [step.correlation_id for step in new if step.type == does.command]
        return [step for step in new if step.correlation_id in causes[:1]]

    def complete() -> bool:
        so_far = steps()
        handled = {(step.service, step.type) for step in so_far if step.step == "handled"}
        # The controller may note that it has published the event after others have handled it.
        published = {step.type for step in so_far if step.step == "published"}
        return _awaited(types) <= handled and does.event in published

    if not await checks.until(complete, what=f"the trace of {does.command}"):
        raise LabError(f"the trace of {does.command} is not complete")
    return _way(does, steps())


def _awaited(types: set[str]) -> set[tuple[str, str]]:
    """Return which service is to handle what: they work one after the other."""
    services = registry.services([*registry.NAMES, "replica"])
    return {
        (service.name, type_of(kind))
        for service in services
        for kind in service.consumes
        if type_of(kind) in types
    }


def _way(does: Kind, steps: list[Step]) -> Path:
    def services(step: str, type_: str) -> frozenset[str]:
        return frozenset(one.service for one in steps if (one.step, one.type) == (step, type_))

    return Path(
        services("handled", does.command),
        services("published", does.event),
        services("handled", does.event),
        services("handled", NOTIFIED),
    )


def _compare(kind: str, said: Path, seen: Path) -> None:
    does = KINDS[kind]
    about = {"kind": kind, "command": does.command, "event": does.event}
    if said.command != seen.command:
        swapped = said.command == seen.event
        both = {"said": _listed(said.command), "seen": _listed(seen.command)}
        if said.command == {"gateway"}:
            raise Mistake("carrier", **about)
        raise Mistake("mixed_up" if swapped else "command", **about, **both)
    if said.publishers != seen.publishers:
        both = {"said": _listed(said.publishers), "seen": _listed(seen.publishers)}
        raise Mistake("publisher", **about, **both)
    if "controller" in said.event - seen.event:
        raise Mistake("own_event", **about)
    if extra := sorted(said.event - seen.event):
        raise Mistake("too_many", **about, name=extra[0])
    if missing := seen.event - said.event:
        raise Mistake("forgotten", **about, said=_listed(said.event), missing=len(missing))
    if said.notified != seen.notified:
        both = {"said": _listed(said.notified), "seen": _listed(seen.notified)}
        raise Mistake("notified", **about, **both)


def _listed(names: frozenset[str]) -> str:
    return " and ".join(sorted(names)) or "nobody"
