"""The exercises by their keys, each with its judge and the sentences for known mistakes."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

# The module of each notebook's exercises.
MODULES = {
    "00": "nochat.lab.exercise.first_steps",
    "01": "nochat.lab.exercise.sockets",
    "02": "nochat.lab.exercise.broker",
    "03": "nochat.lab.exercise.stores",
    "04": "nochat.lab.exercise.provisioning",
    "05": "nochat.lab.exercise.orchestration",
    "06": "nochat.lab.exercise.containers",
    "07": "nochat.lab.exercise.final",
}

Judge = Callable[..., Awaitable[None]]


class Mistake(Exception):
    """A mistake in an answer.

    Args:
        code: the mistake, as its exercise lists it.
        seen: values for its sentence.
    """

    def __init__(self, code: str, **seen: Any) -> None:
        super().__init__(code)
        self.code, self.seen = code, seen


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        key: the notebook and a letter, such as "02b".
        task: what to do, in a few words.
        judge: an async function of the answer and the judge's settings; it raises `Mistake`.
        mistakes: the sentence for each known mistake: what was seen, and what to think about.
    """

    key: str
    task: str
    judge: Judge
    mistakes: Mapping[str, str]

    def sentence(self, mistake: Mistake) -> str:
        """Return what a mistake's author is told."""
        return self.mistakes[mistake.code].format(**mistake.seen)


_EXERCISES: dict[str, Exercise] = {}


def exercise(key: str, task: str, **mistakes: str) -> Callable[[Judge], Judge]:
    """Declare a function as the judge of an exercise."""

    def declare(judge: Judge) -> Judge:
        _EXERCISES[key] = Exercise(key, task, judge, mistakes)
        return judge

    return declare


def find(key: str) -> Exercise:
    """Return an exercise.

    Raises:
        ValueError: there is none with that key; the message lists those that there are.
    """
    _load(key[:2])
    if key not in _EXERCISES:
        raise ValueError(f"no exercise is called {key!r}; there are: {', '.join(_EXERCISES)}")
    return _EXERCISES[key]


def all_exercises() -> list[Exercise]:
    """List every exercise in order."""
    for notebook in MODULES:
        _load(notebook)
    return [_EXERCISES[key] for key in sorted(_EXERCISES)]


def _load(notebook: str) -> None:
    if notebook in MODULES:
        import_module(MODULES[notebook])


@contextmanager
def told(code: str) -> Iterator[None]:
    """Name any error of the answer itself as a mistake; its sentence has `{error}`."""
    try:
        yield
    except Mistake:
        raise
    except Exception as error:
        raise Mistake(code, error=f"{type(error).__name__}: {error}") from error
