"""Guests at a student's program, and its answers to them, for the judges of notebook 01."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from nochat.lab.errors import LabError, NotConnected
from nochat.lab.exercise.catalogue import Mistake
from nochat.lab.visitors import Visitor

PATIENCE = 3.0  # seconds for an answer that may never come
ERROR = re.compile(r"^[\w.]*(?:Error|Exception)\b.*", re.MULTILINE)  # the end of a traceback
UNAWAITED = re.compile(r"coroutine '(?:\w+\.)*(\w+)' was never awaited")
MISSING = object()  # no acknowledgement came


@asynccontextmanager
async def guest(url: str, name: str) -> AsyncIterator[Visitor]:
    """Connect a client, which is in no list of the notebook's, and leave again.

    Raises:
        Mistake: `stopped`: nothing answers.
    """
    visitor = Visitor(name)
    try:
        await visitor.connect(url, auth={"name": name})
    except (LabError, ValueError) as error:
        raise Mistake("stopped", error=error) from error
    try:
        yield visitor
    finally:
        await visitor.disconnect()


async def ask(visitor: Visitor, event: str, data: Any, seconds: float = PATIENCE) -> Any:
    """Send an event; return the data of its acknowledgement, or MISSING."""
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def take(*said: Any) -> None:
        if not answered.done():
            answered.set_result(said[0] if len(said) == 1 else list(said) or None)

    with suppress(TimeoutError, NotConnected):  # the program may have ended
        await visitor.emit(event, data, callback=take)
        return await asyncio.wait_for(answered, seconds)
    return MISSING


def meaning(said: Any, *names: str) -> Any:
    """Return what is the same in all answers of one meaning: without names, and without counts."""
    if said is MISSING or said is None or isinstance(said, bool):
        return repr(said)
    if isinstance(said, int | float):
        return "a number" if said else 0
    if isinstance(said, str):
        for name in names:
            said = said.replace(name, "…")
        return said
    if isinstance(said, dict):
        return {key: meaning(value, *names) for key, value in said.items()}
    return [meaning(value, *names) for value in said]


def url_of(answer: Any) -> str:
    """Return the address of a program or a chat, given itself or its address."""
    return str(getattr(answer, "url", answer))


def unawaited(answer: Any) -> str:
    """Return the last function that a program called without `await`; empty if there is none."""
    found = UNAWAITED.findall(str(getattr(answer, "log", "")))
    return found[-1] if found else ""


def last_error(answer: Any) -> str:
    """Return the last error in a program's log; empty if there is none."""
    return error_in(str(getattr(answer, "log", "")))


def error_in(log: str) -> str:
    """Return the last error in a log; empty if there is none."""
    errors = ERROR.findall(log)
    return errors[-1] if errors else ""
