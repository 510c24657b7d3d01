"""`guess`: takes a guess before the answer is run, and compares the two."""

from typing import Any

from nochat.lab.exercise import record


def guess(key: str, guessed: Any, answer: Any) -> str:
    """Compare a guess with the answer, and note whether the student was surprised.

    Args:
        key: the guess, such as "02-1".
        guessed: the student's guess; None or ... for none.
        answer: what really happened.
    """
    if guessed is None or guessed is ...:
        return f"It was {answer!r}. Next time, guess first: it is how you find out what you know."
    right = bool(guessed == answer)
    record.add(record.Attempt(key, right, guess=True))
    return f"You guessed it: {answer!r}." if right else f"A surprise: {answer!r}, not {guessed!r}."
