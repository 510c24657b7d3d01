"""Exercise 01b: what was acknowledged outlives the program."""

import asyncio
import itertools
import random
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from nochat.errors import NochatError
from nochat.lab import program
from nochat.lab.exercise import torn
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.guests import MISSING, ask, error_in, guest, last_error
from nochat.lab.visitors import Visitor

KILLS = 3
SENDERS = 2
ACKNOWLEDGED = (3, 30)  # before a kill
NAME = "judged"


@exercise(
    "01b",
    "nothing that was acknowledged is lost when the program is killed",
    untouched="The program was killed, and `past` has none of {acknowledged} messages that it had "
    "acknowledged; it left no file behind either. What outlives a process?",
    lost="{text!r} was acknowledged, and is not in `past` after a kill; {lost} of {acknowledged} "
    "are gone. When you say “I have it”, where is it by then: in a variable, in a buffer, or in "
    "the file?",
    unread="{text!r} was acknowledged, and is not in `past` after a kill; but it is in {file}. Who "
    "reads that file when the program starts, and where does `past` look?",
    torn="A kill in the middle of a write left half a message at the end of {file}, and the "
    "program doesn't come back from that: {error}",
    glued="{text!r} was acknowledged after a restart, and is gone after the next. When it was "
    "written, {file} ended in the half of a message. What stands in that line now?",
    half="`past` has {text!r}, which nobody said: it is the half of a message that a kill left at "
    "the end of {file}. How can you tell a whole one?",
    doubled="{text!r} is in `past` {times} times after a restart. What does the program write "
    "while it reads its file?",
    earlier="Nobody has said anything yet, and `past` has {count} messages already, {text!r} among "
    "them. They are from an earlier run, so they are in a file outside the program's folder, which "
    "is new each time. What path does the program open?",
    order="`past` has {later!r} before {earlier!r}, which {sender} sent first, and which was "
    "acknowledged first.",
    failed="The program does not do its work: {error}",
)
async def durable(answer: str, **_: Any) -> None:
    """Judge a program, such as `durable:app`, which is started, killed and started again."""
    try:
        process = program.start(f"uvicorn {answer} --port {{port}}", name=NAME)
    except (NochatError, OSError, ValueError, LookupError) as error:
        raise Mistake("failed", error=error_in(str(error)) or error) from error
    try:
        await _Examination(process).run()
    finally:
        process.stop()


@dataclass
class _Examination:
    """A program under examination, with what it has acknowledged."""

    process: program.Process
    said: dict[str, list[str]] = field(default_factory=dict)  # all texts of each sender, in order
    acknowledged: list[str] = field(default_factory=list)
    damage: torn.Torn | None = None

    async def run(self) -> None:
        """Talk, kill, tear and restart, again and again."""
        chance = random.SystemRandom()
        if past := await self._past():
            raise Mistake("earlier", count=len(past), text=past[0])
        for number in range(KILLS):
            write = await self._two(number)
            await self._burst(number, chance.randrange(*ACKNOWLEDGED))
            # Not the last time: what is written after a tear is looked for after the next kill.
            if number < KILLS - 1:
                self.damage = torn.tear(write) or self.damage
            self._restart()
            self._compare(await self._past())

    async def _two(self, number: int) -> torn.Write:
        """Send two messages, one after the other; return what the second left in the files."""
        async with guest(self.process.url, f"sam{number}") as sam:
            await self._say(sam, f"first of round {number}")
            before = torn.files(self.process.folder)
            await self._say(sam, f"second of round {number}")
            return torn.Write(before, torn.files(self.process.folder))

    async def _say(self, visitor: Visitor, text: str) -> None:
        self.said.setdefault(visitor.name, []).append(text)
        if await ask(visitor, "message", text) is MISSING:
            said = last_error(self.process) or "`message` is not acknowledged"
            raise Mistake("failed", error=said)
        self.acknowledged.append(text)

    async def _burst(self, number: int, count: int) -> None:
        """Let clients talk at once; kill the program when it has acknowledged so many messages."""
        enough = len(self.acknowledged) + count

        async def talk(visitor: Visitor) -> None:
            for at in itertools.count():
                await self._say(visitor, f"{visitor.name} says {at}: {secrets.token_hex(8)}")
                if len(self.acknowledged) >= enough:
                    self.process.kill()
                    return

        url = self.process.url
        async with guest(url, f"tom{number}") as tom, guest(url, f"una{number}") as una:
            talking = [asyncio.create_task(talk(visitor)) for visitor in (tom, una)]
            done, others = await asyncio.wait(talking, return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            done.pop().result()

    def _restart(self) -> None:
        try:
            self.process.restart()
        except NochatError as error:
            raise self._broken(f"does not start again: {error}") from error

    def _broken(self, otherwise: str) -> Mistake:
        error = last_error(self.process) or f"it {otherwise}"
        if self.damage:
            return Mistake("torn", file=self.damage.path.name, error=error)
        return Mistake("failed", error=error)

    async def _past(self) -> list[str]:
        """Ask for the past, and return the texts in it."""
        async with guest(self.process.url, "later") as later:
            past = await ask(later, "past", None)
        if past is MISSING:
            raise self._broken("does not answer to `past`")
        try:
            return [str(line["text"]) for line in past]
        except (TypeError, KeyError):
            raise Mistake("failed", error=f"`past` gives {past!r:.200}") from None

    def _compare(self, past: list[str]) -> None:
        count = Counter(past)
        if twice := [text for text in count if count[text] > 1]:
            raise Mistake("doubled", text=twice[0], times=count[twice[0]])
        if lost := [text for text in self.acknowledged if not count[text]]:
            raise self._losing(lost, past)
        known = {*itertools.chain(*self.said.values())}
        if extra := [text for text in past if text not in known]:
            file = self.damage.path.name if self.damage else "a file"
            raise Mistake("half", text=extra[0], file=file)
        self._compare_order({text: position for position, text in enumerate(past)})

    def _losing(self, lost: list[str], past: list[str]) -> Mistake:
        seen = {"acknowledged": len(self.acknowledged), "lost": len(lost), "text": lost[0]}
        if not past and not torn.files(self.process.folder):
            return Mistake("untouched", **seen)
        if not past and (kept := self._kept_in(lost[0])):
            return Mistake("unread", **seen, file=kept)
        if not self.damage:
            return Mistake("lost", **seen)
        file = self.damage.path.name
        if self.damage.rewritten:
            return Mistake("torn", file=file, error=f"{len(lost)} messages are gone")
        glued = all(text.startswith("first of round") for text in lost)
        return Mistake("glued" if glued else "lost", **seen, file=file)

    def _kept_in(self, text: str) -> str:
        """Return the name of a file that has a text; empty if none has."""
        found = torn.files(self.process.folder).items()
        return next((path.name for path, now in found if text.encode() in now.content), "")

    def _compare_order(self, at: dict[str, int]) -> None:
        for sender, texts in self.said.items():
            there = [text for text in texts if text in at]
            for earlier, later in itertools.pairwise(there):
                if at[earlier] > at[later]:
                    raise Mistake("order", earlier=earlier, later=later, sender=sender)
