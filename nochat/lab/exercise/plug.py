"""Exercise 02d: a message is said until it is accepted, while answers are lost and brokers die."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from nochat.lab.checks import until
from nochat.lab.errors import GaveUp, NotConnected
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.lab.people import Person, Refused
from nochat.lab.servers import Server
from nochat.protocol.fields import LOBBY

OUTAGE = 0.3  # seconds
HURRY = 25  # tries in an outage
LONGEST, LONGEST_WITH_BROKER = 60.0, 240.0  # seconds
SOCKETS = 2  # that Ana opens at most: a chat without a broker may close hers
ARRIVES = 45.0  # seconds, with the services' way back to the broker

Say = Callable[[Any, str], Awaitable[Any]]


class Sender:
    """A person whose chat often fails: it refuses for a while, then it loses an answer.

    Attributes:
        name: the person's name.
        accepted: the texts that arrived, in order.
        tries: the number of tries of each text.
        same: the texts that were taken for another one, with the client id of both.
        raised: the errors so far.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.accepted: list[str] = []
        self._ids: dict[str, str] = {}  # by each, what was said
        self.tries: Counter[str] = Counter()
        self.raised: list[Exception] = []
        self.same: dict[str, str] = {}
        self._back, self._unanswered = 0.0, False

    def fail(self, *, refuses: bool, loses: bool) -> None:
        """Fail from now on: refuse for a while, or lose the next answer, or both."""
        self._back = time.monotonic() + (OUTAGE if refuses else 0)
        self._unanswered = loses

    async def says(self, text: str, room: str = LOBBY, client_id: str = "") -> str:
        """Send a message; return its client id after the chat has acknowledged it.

        Raises:
            nochat.lab.people.Refused: the chat can't take it now.
            GaveUp: no answer came.
        """
        await asyncio.sleep(0.001)
        self.tries[text] += 1
        if time.monotonic() < self._back:
            raise self._noted(Refused(f"{self.name}: the chat has no broker", {}))
        client_id = client_id or secrets.token_hex(8)
        if client_id not in self._ids:
            self._ids[client_id] = text
            self.accepted.append(text)
        elif self._ids[client_id] != text:
            self.same[text] = client_id
        if self._unanswered:
            self._unanswered = False
            raise self._noted(GaveUp("waited for an answer, in vain"))
        return client_id

    async def call(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send the event `message`, as `says` does."""
        await self.says(data["text"], client_id=data.get("client_id", ""))
        return {}

    def _noted(self, error: Exception) -> Exception:
        self.raised.append(error)
        return error


@exercise(
    "02d",
    "a message is said until it is accepted, and arrives once, though the broker is killed",
    untouched="Nothing was said. Call `person.says` in your `say_once`, and await it.",
    gives_up="{text!r} was tried {times} times, and your `say_once` ended without an answer that "
    "accepts it. An error says that it is not accepted yet, or not known. What would Ana do?",
    lost="Your `say_once` ended as if all were well, but {text!r} never arrived. Does it wait for "
    "each answer, and look at what it is?",
    hurries="{text!r} was tried {times} times in {seconds:g} s. A chat that is coming back has "
    "enough to do. What could your loop do between two tries?",
    twice="{text!r} arrived {times} times. It had been accepted before, and only the answer was "
    "lost. How could the chat have known it again?",
    same="{text!r} never arrived: it had the client id of another message, {client_id!r}, and the "
    "chat took it for that one. For how many messages is an id?",
    failed="Your `say_once` ended with an error of its own: {error}",
)
async def plug(
    answer: Say,
    *,
    ana: Person | None = None,
    bob: Person | None = None,
    rabbit: Server | None = None,
) -> None:
    """Judge `say_once(person, text)`: with a chat that fails, then with the notebook's own."""
    if not callable(answer):
        raise Mistake("untouched")
    await _judge_with_failures(answer)
    if ana and bob and rabbit and rabbit.child:
        await _judge_with_broker(answer, ana, bob, rabbit)


async def _judge_with_failures(answer: Say) -> None:
    chance = random.SystemRandom()
    sender = Sender(chance.choice(["dora", "emil", "fay"]))
    fails = [(True, True), (False, True), (True, False), (False, False)]
    for number, (refuses, loses) in enumerate(chance.sample(fails, len(fails))):
        text = f"Is anybody there? ({number}, {secrets.token_hex(3)})"
        sender.fail(refuses=refuses, loses=loses)
        await _say(answer, sender, text)
        _compare(sender, text)


async def _say(answer: Say, sender: Sender, text: str) -> None:
    try:
        async with asyncio.timeout(LONGEST):
            with told("failed"):
                await _called(answer, sender, text)
    except TimeoutError:
        raise Mistake("gives_up", text=text, times=sender.tries[text]) from None


async def _called(answer: Say, sender: Sender, text: str) -> None:
    """Call the answer; what the sender raised, and it did not catch, is a mistake of its own."""
    try:
        said = answer(sender, text)
        if asyncio.iscoroutine(said):
            await said
    except Exception as error:
        if error in sender.raised:
            raise Mistake("gives_up", text=text, times=sender.tries[text]) from None
        raise


def _compare(sender: Sender, text: str) -> None:
    times, arrived = sender.tries[text], sender.accepted.count(text)
    if not sender.tries:
        raise Mistake("untouched")
    if text in sender.same:
        raise Mistake("same", text=text, client_id=sender.same[text])
    if times > HURRY:
        raise Mistake("hurries", text=text, times=times, seconds=OUTAGE)
    if arrived > 1:
        raise Mistake("twice", text=text, times=arrived)
    if not arrived:
        raise Mistake("lost", text=text)


async def _judge_with_broker(answer: Say, ana: Person, bob: Person, rabbit: Server) -> None:
    text = await _say_without_broker(answer, ana, rabbit)
    for _ in range(SOCKETS):
        if ana.connected:
            break
        await _connect_again(ana)
        text = await _say_without_broker(answer, ana, rabbit)
    if not bob.connected:
        await _connect_again(bob)

    async def arrived() -> int:
        """Count it, also in the history: a socket may miss it while its gateway comes back."""
        if times := bob.texts().count(text):
            return times
        with suppress(Refused, GaveUp):
            return (await bob.history()).count(text)
        return 0

    times = await until(arrived, ARRIVES, pause=0.5)
    if not times:
        raise Mistake("lost", text=text)
    if times > 1:
        raise Mistake("twice", text=text, times=times)


async def _say_without_broker(answer: Say, ana: Person, rabbit: Server) -> str:
    """Kill the broker, let the answer say something, and start the broker; return what was said.

    The chat closes a socket that it could not welcome before, so that its client connects again.
    """
    text = f"Still there? ({secrets.token_hex(3)})"
    rabbit.kill()
    back = asyncio.create_task(asyncio.to_thread(rabbit.restart))
    try:
        async with asyncio.timeout(LONGEST_WITH_BROKER):
            with told("failed"), suppress(NotConnected):
                await answer(ana, text)
    except TimeoutError:
        raise Mistake("gives_up", text=text, times="many") from None
    finally:
        await back
    return text


async def _connect_again(person: Person) -> None:
    """Open a person's socket, as soon as the chat lets them in, and wait for its welcome."""
    before = len(person.told)

    async def is_in() -> bool:
        with suppress(Refused):  # no service answers the gateway before it has the broker again
            await person.connect()
        return person.connected

    await until(is_in, ARRIVES, pause=0.5)
    await person.until(lambda: any(event == "welcome" for event, _ in person.told[before:]))
