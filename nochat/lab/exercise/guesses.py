"""`guess`: takes a guess before the answer is run, and compares the two."""

from collections.abc import Iterable
from typing import Any

from nochat.lab.exercise import record


class Told(str):
    """A sentence that a cell shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def guess(key: str, guessed: Any, answer: Any) -> Told:
    """Compare a guess with the answer, and note whether the student was surprised.

    Args:
        key: the guess, such as "02-1".
        guessed: the student's guess; None or ... for none.
        answer: what really happened.
    """
    if isinstance(answer, int) and not isinstance(answer, bool):
        answer = int(answer)  # pika has a kind of its own, which is shown as 1L
    if guessed is None or guessed is ...:
        return Told(
            f"It was {answer!r}. Next time, guess first: it is how you find out what you know."
        )
    right = _same(guessed, answer)
    record.add(record.Attempt(key, right, guess=True))
    if right:
        return Told(f"You guessed it: {answer!r}.")
    return Told(f"A surprise: {answer!r}, not {guessed!r}.")


def _same(guessed: Any, answer: Any) -> bool:
    """Compare what a guess means: a list is as good as a set, and a number in quotes as one."""
    if isinstance(answer, set | frozenset | str | int):
        return bool(guessed == answer) or _words(guessed) == _words(answer)
    if isinstance(answer, tuple) and isinstance(guessed, list | tuple):
        return tuple(guessed) == answer
    if isinstance(answer, dict) and isinstance(guessed, dict):
        return {key: _words(value) for key, value in guessed.items()} == {
            key: _words(value) for key, value in answer.items()
        }
    return bool(guessed == answer)


def _words(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        value = value.split(",")
    elif not isinstance(value, Iterable):
        value = [value]
    return frozenset(str(one).strip().lower() for one in value)
