"""Exercise 01a: a word for one person."""

import random
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from nochat.lab import checks
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.guests import MISSING, ask, guest, last_error, meaning, unawaited, url_of
from nochat.lab.visitors import Visitor

NAMES = ("ida", "jon", "kim", "lea", "max", "nora", "olga", "paul")
ROUNDS = 5
SECONDS = 3.0  # for what was acknowledged to arrive


@dataclass(frozen=True)
class Whisper:
    """A text that one guest whispers to another."""

    sender: str
    name: str
    text: str


@exercise(
    "01a",
    "a whisper reaches one person, and no other",
    untouched="Nobody answered to `whisper`. Does whispers.py have a function of that name under "
    "`@sio.event`, and does the program that runs come from it?",
    failed="`whisper` to {name} was not acknowledged. The program says: {error}",
    sent_to_all="{other} heard what {sender} whispered to {name}. Whom does `emit` send to, when "
    "it is told nobody?",
    sender_hears="{sender} heard the own whisper to {name}. Which connections did you send it to?",
    unawaited="{sender}'s whisper to {name} was acknowledged, and {name} heard nothing of it. The "
    "program says that `{function}` was called and never awaited. Which word should stand before "
    "the call?",
    missed="{sender}'s whisper to {name} was answered with {said!r}, as if {name} were not here. "
    "What does your function look for in `names`, and does it look at every connection before it "
    "gives up?",
    never="{sender}'s whisper to {name} was acknowledged, and {name} heard nothing of it. Who is "
    "known by a name in `names`, and whom does `emit` know?",
    nameless="{name} heard a whisper, and not whose: {heard}. What does `names` know of `sid`?",
    unknown="{sender} whispered to {name}, who is not here, and was told {said!r}: the same as "
    "when it arrives. What could the acknowledgement say instead?",
    stopped="The program can't be reached: {error}",
)
async def whispered(answer: Any, **_: Any) -> None:
    """Judge a running program, or its address, by what three clients hear."""
    url, chance = url_of(answer), random.SystemRandom()
    names = [f"{name}{chance.randrange(100)}" for name in chance.sample(NAMES, 4)]
    stranger = names.pop()
    async with AsyncExitStack() as stack:
        guests = {name: await stack.enter_async_context(guest(url, name)) for name in names}
        pairs = [chance.sample(names, 2) for _ in range(ROUNDS)]
        # The last one to each: on one line, whatever was sent before has arrived before.
        pairs += [[names[at - 1], name] for at, name in enumerate(names)]
        whispers = [Whisper(sender, name, f"psst {secrets.token_hex(4)}") for sender, name in pairs]
        said = [await _send(answer, guests, whisper) for whisper in whispers]
        for whisper, told in zip(whispers, said, strict=True):
            if not await _arrives(guests, whisper):
                await _explain(answer, guests, whisper, told, stranger)
        _compare(guests, whispers)
        await _refuses(guests, whispers[-1], said[-1], stranger)


async def _send(answer: Any, guests: dict[str, Visitor], whisper: Whisper) -> Any:
    """Whisper, and return the acknowledgement."""
    said = await ask(guests[whisper.sender], "whisper", (whisper.name, whisper.text))
    if said is MISSING:
        error = last_error(answer)
        code = "failed" if error else "untouched"
        raise Mistake(code, name=whisper.name, error=error)
    return said


async def _arrives(guests: dict[str, Visitor], whisper: Whisper) -> bool:
    what = f"{whisper.name} to hear a whisper"
    heard = await checks.until(lambda: _heard(guests[whisper.name], whisper), SECONDS, what=what)
    if heard and whisper.sender not in repr(heard[0]):
        raise Mistake("nameless", name=whisper.name, heard=heard[0])
    return bool(heard)


async def _explain(
    answer: Any, guests: dict[str, Visitor], whisper: Whisper, said: Any, stranger: str
) -> None:
    """Name the reason for which a whisper has not arrived."""
    seen = {"sender": whisper.sender, "name": whisper.name}
    if function := unawaited(answer):
        raise Mistake("unawaited", **seen, function=function)
    refused = await _to_stranger(guests, whisper, stranger)
    if said is not None and _means(refused, whisper, stranger) == _means(said, whisper, stranger):
        raise Mistake("missed", **seen, said=said)
    raise Mistake("never", **seen)


def _heard(visitor: Visitor, whisper: Whisper) -> list[Any]:
    return [event for event in visitor.heard if whisper.text in repr(event)]


def _compare(guests: dict[str, Visitor], whispers: list[Whisper]) -> None:
    """Look for ears that a whisper was not meant for: a third one's first, then the sender's."""
    seen = {"sent_to_all": 0, "sender_hears": 1}
    for code, own in seen.items():
        for whisper in whispers:
            for other, visitor in guests.items():
                meant = other == whisper.name or (other == whisper.sender) != bool(own)
                if not meant and _heard(visitor, whisper):
                    raise Mistake(code, sender=whisper.sender, name=whisper.name, other=other)


async def _refuses(
    guests: dict[str, Visitor], delivered: Whisper, said: Any, stranger: str
) -> None:
    """Whisper to somebody who is not here; no answer is a refusal, too."""
    answered = await _to_stranger(guests, delivered, stranger)
    if _means(answered, delivered, stranger) == _means(said, delivered, stranger):
        raise Mistake("unknown", sender=delivered.sender, name=stranger, said=answered)


async def _to_stranger(guests: dict[str, Visitor], whisper: Whisper, stranger: str) -> Any:
    """Whisper the same to somebody who is not here, and return the acknowledgement."""
    return await ask(guests[whisper.sender], "whisper", (stranger, whisper.text))


def _means(said: Any, whisper: Whisper, stranger: str) -> Any:
    return meaning(said, whisper.sender, whisper.name, stranger, whisper.text)
