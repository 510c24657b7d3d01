"""The exercise 03c: which sessions end within the hour, by SQL."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from sqlalchemy import make_url

from nochat.lab.exercise.catalogue import Mistake, exercise, told

MINUTE, HOUR, DAY = 60, 3600, 86_400
ZONES = ("+05:30", "-07:00", "+09:00", "-03:30")

Ask = Callable[[str], list[tuple[Any, ...]]]


class Session(NamedTuple):
    """A session of the judge's own.

    Attributes:
        name: of its user.
        seconds: until it ends; negative if it has ended.
    """

    name: str
    seconds: int

    @property
    def is_soon(self) -> bool:
        """Return whether it ends within the hour."""
        return 0 < self.seconds < HOUR

    @property
    def minutes(self) -> int:
        """Minutes until it ends, or since it has ended."""
        return abs(self.seconds) // MINUTE


@exercise(
    "03c",
    "whose session ends within the hour, by SQL",
    untouched="There is no SQL yet: your text is empty.",
    asked="`soon` holds what your own tables answered, {rows} rows, and no SQL. The judge asks "
    "other tables, so it needs the question. Does `soon` hold the text, without `ask`?",
    columns="Your answer has no names: its first row is {row}. Whose sessions are they, and in "
    "which table is the name?",
    units="Of {all} sessions, {soon} end within the hour, and your answer has {found} of them and "
    "{others} others. In which unit is `expires`? Look at one value, and at `UNIX_TIMESTAMP()`.",
    zone="Your answer is right where the database's clock shows UTC, and wrong where it shows "
    "another time zone: here, {zone}. Which of SQL's functions for the time depend on the zone?",
    expired="{name}'s session ended {minutes} minutes ago, and is in your answer.",
    late="{name}'s session ends in {minutes} minutes, which is more than an hour, and is in your "
    "answer.",
    missing="{name}'s session ends in {minutes} minutes, and is not in your answer.",
    failed="Your answer ended with an error: {error}",
)
async def ends_soon(answer: Any, *, url: str) -> None:
    """Judge a text of SQL, or a function of `ask`, on sessions that nobody but the judge sees."""
    await asyncio.to_thread(_judge, answer, url)


def _judge(answer: Any, url: str) -> None:
    if isinstance(answer, list | tuple):
        raise Mistake("asked", rows=len(answer))
    text = answer.strip(" \n.") if isinstance(answer, str) else ""
    if not text and not callable(answer):
        raise Mistake("untouched")
    chance = random.SystemRandom()
    sessions, zone = _made(chance), chance.choice(ZONES)

    def answered(ask: Ask) -> list[tuple[Any, ...]]:
        return list(answer(ask) if callable(answer) else ask(text))

    with _stored(sessions, url) as cursor, told("failed"):
        everybody = {name for (name,) in _asking(cursor, zone)("SELECT name FROM users")}
        rows = answered(_asking(cursor, zone))
        if rows and everybody.isdisjoint(str(value) for row in rows for value in row):
            raise Mistake("columns", row=rows[0])
        try:
            _compare(rows, sessions)
        except Mistake:
            if _is_right(answered(_asking(cursor, "+00:00")), sessions):
                raise Mistake("zone", zone=zone) from None
            raise


def _made(chance: random.Random) -> list[Session]:
    """Make sessions: ended ones, those that end soon, and others; none near a limit."""
    ends = [-3 * MINUTE, -chance.randint(5, 55) * MINUTE, -chance.randint(2, 30) * HOUR]
    ends += [45, *(minutes * MINUTE for minutes in chance.sample(range(3, 58), 4))]
    ends += [63 * MINUTE, *(hours * HOUR for hours in chance.sample(range(2, 24), 3))]
    # Before and after what an hour of 3600 * 1000 seconds would be: 41 days.
    ends += [20 * DAY, 60 * DAY]
    mark = secrets.token_hex(3)
    sessions = [Session(f"judge-{mark}-{number}", seconds) for number, seconds in enumerate(ends)]
    chance.shuffle(sessions)
    return sessions


@contextmanager
def _stored(sessions: list[Session], url: str) -> Iterator[Cursor]:
    """Store accounts and sessions in a transaction that never ends well: nobody else sees them."""
    connection = _connect(url)
    try:
        cursor, now = connection.cursor(), time.time()
        for name, seconds in sessions:
            cursor.execute(
                "INSERT INTO users (name, folded, password, created, role, banned) "
                "VALUES (%s, %s, '', %s, 'user', FALSE)",
                (name, name, now),
            )
            cursor.execute(
                "INSERT INTO sessions (token, user_id, expires, used, public, browser, created) "
                "VALUES (%s, LAST_INSERT_ID(), %s, %s, %s, '', %s)",
                (secrets.token_hex(32), now + seconds, now, secrets.token_hex(16), now),
            )
        yield cursor
    finally:
        connection.rollback()
        connection.close()


def _connect(url: str) -> "Connection[Cursor]":
    parts = make_url(url)
    return pymysql.connect(
        host=parts.host or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        autocommit=False,
    )


def _asking(cursor: Cursor, zone: str) -> Ask:
    """Return a function that asks in a time zone, and sees what the judge stored."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        cursor.execute("SET time_zone = %s", (zone,))
        cursor.execute(query)
        return list(cursor.fetchall())

    return ask


def _is_right(rows: list[tuple[Any, ...]], sessions: list[Session]) -> bool:
    try:
        _compare(rows, sessions)
    except Mistake:
        return False
    return True


def _compare(rows: list[tuple[Any, ...]], sessions: list[Session]) -> None:
    known = {session.name: session for session in sessions}
    found = {str(value) for row in rows for value in row} & known.keys()
    soon = {session.name for session in sessions if session.is_soon}
    others = sorted((known[name] for name in found - soon), key=lambda other: other.seconds)
    if _in_another_unit(found, soon, known):
        counted = {"all": len(known), "soon": len(soon), "found": len(found & soon)}
        raise Mistake("units", **counted, others=len(others))
    if others:
        code = "expired" if others[0].seconds < 0 else "late"
        raise Mistake(code, name=others[0].name, minutes=others[0].minutes)
    if missing := sorted(soon - found):
        raise Mistake("missing", name=missing[0], minutes=known[missing[0]].minutes)


def _in_another_unit(found: set[str], soon: set[str], known: dict[str, Session]) -> bool:
    """Return whether seconds were taken for minutes, hours or milliseconds, or the reverse."""
    if not found:
        return True
    most = max(known[name].seconds for name in found)
    if found < soon:  # an hour of 60 seconds
        return most <= MINUTE
    return soon < found and 2 * DAY < most < 41 * DAY  # an hour of 3600 * 1000 seconds
