"""Exercises of the course: `check` judges the effect of an answer, and names a known mistake."""

from nochat.lab.exercise.checking import check
from nochat.lab.exercise.context import given
from nochat.lab.exercise.guesses import guess
from nochat.lab.exercise.summary import progress

__all__ = ["check", "given", "guess", "progress"]
