"""Exercise 01c: one logs in, and nobody else waits."""

import asyncio
import hashlib
import secrets
import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from nochat.lab import checks
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.guests import MISSING, ask, guest, last_error, meaning, unawaited, url_of
from nochat.lab.visitors import Visitor

ROUNDS = 1_000_000  # of the hash, as in the notebook
TRIES = 6  # the machine may be busy with something else
WRONG = 2  # wrong passwords of a try
PAUSE = 0.005  # seconds between two questions of Bob's
LONGEST = 20.0  # seconds for a log-in
LOOK = 0.2  # seconds between two looks at the log
SHARE = 4  # Bob may wait for this part of a log-in
CLEAR = 0.8  # of a log-in: no busy machine lets Bob wait for so long


@exercise(
    "01c",
    "one logs in, nobody else waits, and the work is still done",
    untouched="`log_in` answered nothing at all to the right password. Does your function call "
    "`hashed`, and say what came of it?",
    failed="`log_in` was not acknowledged. The program says: {error}",
    alike="`log_in` said {said!r} to a wrong password, and to the right one. What is compared with "
    "what, and is each of them what you think it is?",
    unawaited="`log_in` said {said!r} to a wrong password, and to the right one. The program says "
    "that `{function}` was called and never awaited. Which word should stand before the call?",
    removed="The answer to {which} password came after {took:.0f} ms, and its hash alone takes "
    "{work:.0f} ms here. Was the work moved, or left out? A thief would like to know.",
    waits="While Ana's log-in took {took:.0f} ms, Bob waited for up to {wait:.0f} ms. What does "
    "the server do between two `await`s?",
    stopped="The program can't be reached: {error}",
)
async def patient(answer: Any, *, password: str, **_: Any) -> None:
    """Judge a running program by how long Bob waits while Ana logs in."""
    url = url_of(answer)
    async with guest(url, "ana") as ana, guest(url, "bob") as bob:
        for left in reversed(range(TRIES)):
            right = await _log_in(answer, ana, bob, password)
            guesses = [secrets.token_hex(8) for _ in range(WRONG)]
            wrong = [await _log_in(answer, ana, bob, guess) for guess in guesses]
            _compare_answers(answer, right, wrong[0], (password, guesses[0]))
            try:
                _compare_times(right, wrong, await asyncio.to_thread(_work))
                return
            except _Slight:
                if not left:
                    raise


@dataclass(frozen=True)
class LogIn:
    """A log-in of Ana's, its seconds, and the seconds for which Bob waited meanwhile."""

    said: Any
    took: float
    waits: list[float]


def _work() -> float:
    """Return the seconds of one hash, without a server around it."""
    began = time.perf_counter()
    hashlib.pbkdf2_hmac("sha256", b"a guess", b"salt", ROUNDS)
    return time.perf_counter() - began


async def _log_in(answer: Any, ana: Visitor, bob: Visitor, guess: str) -> LogIn:
    """Let Ana log in, and Bob ask for something quick again and again."""
    waits: list[float] = []

    async def wait() -> None:
        while True:
            began = time.perf_counter()
            await ask(bob, "past", None, LONGEST)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)

    waiting = asyncio.create_task(wait())
    try:
        return await _acknowledged(answer, ana, guess, waits)
    finally:
        waiting.cancel()


async def _acknowledged(answer: Any, ana: Visitor, guess: str, waits: list[float]) -> LogIn:
    """Log in, and wait until Bob's question that was asked meanwhile is answered, too."""
    log, began = getattr(answer, "log", ""), time.perf_counter()
    logging_in = asyncio.create_task(ask(ana, "log_in", guess, LONGEST))
    while not logging_in.done():
        await asyncio.wait([logging_in], timeout=LOOK)
        if getattr(answer, "log", "") != log and (error := last_error(answer)):
            logging_in.cancel()
            raise Mistake("failed", error=error)
    took, asked = time.perf_counter() - began, len(waits)
    if logging_in.result() is MISSING:
        raise Mistake("failed", error="nothing")
    await checks.until(lambda: len(waits) > asked, LONGEST, pause=PAUSE)
    return LogIn(logging_in.result(), took, waits)


def _compare_answers(answer: Any, right: LogIn, wrong: LogIn, guesses: tuple[str, str]) -> None:
    password, guess = guesses
    if right.said is None and wrong.said is None:
        raise Mistake("untouched")
    if meaning(right.said, password) == meaning(wrong.said, guess):
        if function := unawaited(answer):
            raise Mistake("unawaited", said=wrong.said, function=function)
        raise Mistake("alike", said=wrong.said)


class _Slight(Mistake):
    """A mistake that a busy machine may have made."""


def _compare_times(right: LogIn, wrong: list[LogIn], work: float) -> None:
    quickest = {"the right": right.took, "a wrong": min(one.took for one in wrong)}
    for which, took in quickest.items():
        if took < work / 2:
            kind = _Slight if took > work / 10 else Mistake
            raise kind("removed", which=which, took=1000 * took, work=1000 * work)
    took = median([right.took, *(one.took for one in wrong)])
    wait = _percentile_99([*right.waits, *(wait for one in wrong for wait in one.waits)])
    if wait > took / SHARE:
        kind = _Slight if wait < took * CLEAR else Mistake
        raise kind("waits", took=1000 * took, wait=1000 * wait)


def _percentile_99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]
