"""The steps that judge the exercises of a notebook: our cells, with the answers of a student."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nochat.lab.course import tags
from nochat.lab.course.notebook import heading

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Step:
    """A cell to run: one of the master, an answer, or a check."""

    kind: Literal["run", "exercise", "check"]
    key: str
    source: str


@dataclass(frozen=True)
class Plan:
    """The parts of a master that grading needs.

    Attributes:
        steps: all code cells.
        titles: the exercises, by their keys; what has no cell for an answer, or one that has only
            a comment, is done by hand, and not judged.
        declared: code that declares exercises of the notebook's own.
        hidden: further checks, by the keys of the exercises.
        solutions: the course's own answers.
        answers: what each check is given, as an expression.
        trusting: the keys whose verdicts of the notebook itself count (tag `in-notebook`).
    """

    steps: Sequence[Step]
    titles: Mapping[str, str]
    declared: Sequence[str]
    hidden: Mapping[str, str]
    solutions: Mapping[str, str]
    answers: Mapping[str, str]
    trusting: frozenset[str]


def plan(master: Any) -> Plan:
    """Return what grading needs of a master.

    Raises:
        CourseError: its tags are wrong.
    """
    cells = master.cells
    exercises = tags.by_key(cells, tags.EXERCISE)
    checks = tags.by_key(cells, tags.CHECK)
    titles = {
        key: heading(cells, cells.index(cell)).removeprefix("Exercise ")
        for key, cell in exercises.items()
        if key in checks and not _is_by_hand(cell.source)
    }
    solutions = {
        key: tags.solution(cell)
        for key, cell in tags.by_key(cells, tags.SOLUTION).items()
        if key in titles
    }
    return Plan(
        [_step(cell, titles) for cell in cells if _runs(cell)],
        titles,
        [cell.source for cell in cells if tags.JUDGE in tags.tags(cell)],
        {key: cell.source for key, cell in tags.by_key(cells, tags.HIDDEN).items()},
        solutions,
        {key: _answer(checks[key].source) for key in titles},
        frozenset(key for key in titles if "in-notebook" in tags.tags(checks[key])),
    )


def _runs(cell: Any) -> bool:
    return cell.cell_type == "code" and tags.HIDDEN not in tags.tags(cell)


def _answer(check: str) -> str:
    """Return the second argument of `exercise.check`."""
    for node in ast.walk(_parse(check) or ast.Module([], [])):
        if isinstance(node, ast.Call) and len(node.args) > 1:
            return ast.unparse(node.args[1])
    return "None"


def _is_by_hand(stub: str) -> bool:
    """Return whether there is nothing to complete, but a comment such as "on the page"."""
    return all(not line.strip() or line.lstrip().startswith("#") for line in stub.splitlines())


def _step(cell: Any, titles: Mapping[str, str]) -> Step:
    for kind in ("exercise", "check"):
        if (key := tags.key_of(cell, kind)) in titles:
            return Step(kind, key, cell.source)
    return Step("run", "", cell.source)


def answered(plan: Plan, answers: Mapping[str, str]) -> list[Step]:
    """Return all steps, with answers in the places of the exercises."""
    return [
        Step(step.kind, step.key, answers.get(step.key, step.source))
        if step.kind == "exercise"
        else step
        for step in plan.steps
    ]


def needed(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that answers and checks need: those that define names used in them.

    Of the others, imports and definitions stay. It is a guess, since a cell may change what another
    has made; so the course's own solutions are judged first, and if they don't pass, all is run.
    """
    kept: list[Step] = []
    wanted: set[str] = set()
    for step in reversed(steps):
        tree = _parse(step.source)
        if tree is None:  # such as `%%file`, which makes a file and no name
            kept.append(step)
            continue
        defined, used = _names(tree)
        if step.kind != "run" or defined & wanted or _is_setting(tree):
            kept.append(step)
            wanted |= used
        elif rest := [node for node in tree.body if isinstance(node, KEPT)]:
            kept.append(Step("run", "", "\n".join(map(ast.unparse, rest))))
    return kept[::-1]


def _parse(source: str) -> ast.Module | None:
    from IPython.core.inputtransformer2 import TransformerManager

    if source.lstrip().startswith("%%"):
        return None
    transform = TransformerManager().transform_cell  # type: ignore[no-untyped-call]
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree = compile(transform(source), "cell", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def _is_setting(tree: ast.Module) -> bool:
    """Return whether a cell turns something on, as `hints.on()` does."""
    return any(isinstance(node, ast.Attribute) and node.attr == "on" for node in ast.walk(tree))


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    return set(_defined(tree)), {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
