"""`progress`: what a student has done so far."""

from dataclasses import dataclass

from nochat.lab.exercise import record
from nochat.lab.exercise.catalogue import all_exercises
from nochat.local.tables import as_html, as_text

HEADS = ("Exercise", "Task", "Done", "Attempts", "Last mistake")


@dataclass(frozen=True, repr=False)
class Progress:
    """The exercises of a notebook, or of all, with the student's attempts."""

    rows: list[list[str]]
    guesses: int
    surprises: int

    def __repr__(self) -> str:
        return f"{as_text([list(HEADS), *self.rows])}\n{self._guessed()}"

    def _repr_html_(self) -> str:
        return f"{as_html(HEADS, self.rows)}<p>{self._guessed()}</p>"

    def _guessed(self) -> str:
        return f"Guesses: {self.guesses}, surprises: {self.surprises}"


def progress(notebook: str = "") -> Progress:
    """Return the student's progress.

    Args:
        notebook: the notebook's number, such as "02"; empty for the whole course.
    """
    made = [attempt for attempt in record.attempts() if attempt.key.startswith(notebook)]
    # The first guess is the honest one; a cell that runs again makes no other.
    guesses = {attempt.key: attempt for attempt in reversed(made) if attempt.guess}
    rows = []
    for exercise in all_exercises():
        if not exercise.key.startswith(notebook):
            continue
        tries = [attempt for attempt in made if attempt.key == exercise.key]
        done = "✓" if any(attempt.passed for attempt in tries) else ""
        last = "" if done else next((one.mistake for one in reversed(tries) if one.mistake), "")
        rows.append([exercise.key, exercise.task, done, str(len(tries)), last])
    surprises = sum(1 for attempt in guesses.values() if not attempt.passed)
    return Progress(rows, len(guesses), surprises)
