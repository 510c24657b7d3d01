"""The exercise 03b: a microservice of one's own, which is killed, and gets events again."""

import asyncio
import random
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nochat.lab.exercise import crashes, lives
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.crashes import ROLL
from nochat.lab.exercise.lives import Said, Script, Turn
from nochat.protocol.commands import SendMessage
from nochat.protocol.events import MessageSent

PEOPLE = ("ana", "bob", "cleo", "dora", "eve", "finn")
ROOMS = ("attic", "balcony", "cellar", "garden", "hall", "kitchen")
CHATTER = ("hello", "I would /roll if I could", "/rollback, please", "six!", "What about lunch?")
FACES = dict(zip("⚀⚁⚂⚃⚄⚅", range(1, 7), strict=True))
NAME = "dice"
ROLLS = 4  # in each of two rooms


@exercise(
    "03b",
    "a service that rolls dice: one answer to each /roll, though it is killed in the middle",
    untouched="Your service sent nothing: no room was joined, and no {roll} was answered. Which "
    "events does it handle?",
    named="It should be called 'dice', and {what} {name!r}. The queue of a service has its name, "
    "so two services of one name share their events, and each gets a part. In how many places of "
    "the file does the name stand?",
    silent="{sender} wrote {roll} in {room}, and your service did not answer.",
    refused="The chat refused your answer in {room}: {reason}. What must your service do before "
    "it may write there, and at which event?",
    room="{sender} wrote {roll} in {room}, and your answer went to {other}. Which field of the "
    "event names the room?",
    talkative="Your service answered to {text!r}. Only {roll} alone is for it.",
    loop="Your service answers its own answers, and never ends.",
    number="{sender} wrote {roll}, and got {text!r}. Where is the number from 1 to 6?",
    loaded="All {rolls} answers have the same number: {text!r}.",
    twice="{sender}'s {roll} in {room} has {times} answers: the event was delivered again, as your "
    "service was killed between its answer and its ack. The answers have the client ids {ids}. "
    "What is the same each time the event comes?",
    swallowed="{one} and {other} both wrote {roll} in {room}, and your answers have one client id, "
    "{id!r}: the chat takes the second one for a repetition. What is different in each event?",
    lost="Nobody ever answered {sender}'s {roll} in {room}: your service was killed after its "
    "handler had run, and before the answer was out. When may it note that it has answered?",
    failed="Your service ended with an error: {error}",
)
async def dice(answer: Any, *, url: str = "") -> None:
    """Judge a service in a file on the bus in memory, and then on the RabbitMQ of a URL."""
    if not isinstance(answer, str | Path):
        raise Mistake("failed", error=f"a path of a file is needed, not {answer!r}")
    file = Path(answer).expanduser().absolute()
    script = _script(random.SystemRandom())
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as folder:
        turns = await asyncio.to_thread(lives.live, file, script, Path(folder))
        _compare(turns)
        if url:
            name = next(_sends(turns))[1].sender
            _compare_crash(await crashes.crash(file, name, url, Path(folder)))


def _script(chance: random.Random) -> Script:
    """Write what people say: two say /roll in one room, with equal client ids."""
    people, rooms = tuple(chance.sample(PEOPLE, 3)), ("lobby", chance.choice(ROOMS))
    texts = [ROLL] * ROLLS + chance.sample(CHATTER, len(CHATTER))
    said = [Said(room, chance.choice(people), text) for room in rooms for text in texts]
    chance.shuffle(said)
    first = [Said(rooms[0], people[0], ROLL), Said(rooms[0], people[1], ROLL)]
    return Script(people, rooms, (*first, *said), secrets.token_hex(4))


# ---- what became of it in memory ----------------------------------------------------------------


def _compare(turns: list[Turn]) -> None:
    for turn in turns:
        if turn.failed:
            raise Mistake("failed", error=turn.failed)
        if turn.loops:
            raise Mistake("loop")
    if not any(turn.commands for turn in turns):
        raise Mistake("untouched", roll=ROLL)
    _compare_names(turns)
    for turn in turns:
        _compare_turn(turn)
    _compare_ids(turns)
    _compare_lives(turns)
    texts = [sent.text for _, sent in _sends(turns)]
    if len({tuple(_numbers(text)) for text in texts}) == 1:
        raise Mistake("loaded", rolls=len(texts), text=texts[0])


def _compare_names(turns: list[Turn]) -> None:
    for turn in turns:
        if turn.service not in ("", NAME):
            raise Mistake("named", what="it is", name=turn.service)
        for sent in turn.sent:
            if sent.sender != NAME:
                raise Mistake("named", what="it answers as", name=sent.sender)


def _compare_turn(turn: Turn) -> None:
    said = turn.event
    for sent in turn.sent:
        if not isinstance(said, MessageSent):
            raise Mistake("talkative", text=f"{said.user} joined", roll=ROLL)
        if said.text != ROLL:
            raise Mistake("talkative", text=said.text, roll=ROLL)
        seen = {"sender": said.sender, "room": said.room, "roll": ROLL}
        if sent.room != said.room:
            raise Mistake("room", **seen, other=sent.room)
        if turn.refused:
            raise Mistake("refused", room=said.room, reason=turn.refused[0])
        if not any(1 <= number <= 6 for number in _numbers(sent.text)):
            raise Mistake("number", **seen, text=sent.text)


def _compare_ids(turns: list[Turn]) -> None:
    asked: dict[str, MessageSent] = {}
    ids: dict[str, set[str]] = {}
    takers: dict[tuple[str, str, str], MessageSent] = {}
    for said, sent in _sends(turns):
        asked[said.id] = said
        ids.setdefault(said.id, set()).add(sent.client_id)
        other = takers.setdefault((sent.room, sent.sender, sent.client_id), said)
        if other.id != said.id:
            seen = {"one": other.sender, "other": said.sender, "room": said.room}
            raise Mistake("swallowed", **seen, roll=ROLL, id=sent.client_id)
    for id, found in ids.items():
        if len(found) > 1:
            raise _twice(asked[id], found)


def _twice(said: MessageSent, ids: Iterable[str]) -> Mistake:
    shown = sorted(ids)
    listed = ", ".join(map(repr, shown[:3])) + (", …" if len(shown) > 3 else "")
    seen = {"sender": said.sender, "room": said.room, "roll": ROLL}
    return Mistake("twice", **seen, times=len(shown), ids=listed)


def _compare_lives(turns: list[Turn]) -> None:
    """Compare the lives: each /roll is answered, also one whose first answer never went out."""
    begun = {turn.event.id for turn in turns if turn.life == 0}
    # In its first life it was killed when it was about to answer the first /roll.
    died_at = next((t.event.id for t in turns if t.life and t.event.id not in begun), "")
    answered = {said.id for said, _ in _sends(turns)}
    for said in (turn.event for turn in turns):
        if isinstance(said, MessageSent) and said.text == ROLL and said.id not in answered:
            seen = {"sender": said.sender, "room": said.room, "roll": ROLL}
            raise Mistake("lost" if said.id == died_at else "silent", **seen)


def _sends(turns: list[Turn]) -> Iterator[tuple[MessageSent, SendMessage]]:
    for turn in turns:
        for sent in turn.sent:
            if isinstance(turn.event, MessageSent):
                yield turn.event, sent


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)] + [
        FACES[sign] for sign in text if sign in FACES
    ]


# ---- what became of it on RabbitMQ --------------------------------------------------------------


def _compare_crash(seen: list[tuple[MessageSent, list[MessageSent]]]) -> None:
    for said, answers in seen:
        if not answers:
            raise Mistake("silent", sender=said.sender, room=said.room, roll=ROLL)
        if len(answers) > 1:
            raise _twice(said, [answer.client_id for answer in answers])
