"""A notebook's parameters, checked against the names and types in its cell tagged `parameters`.

papermill would only warn of an unknown name, and pass any text to a notebook that expects a number.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nochat.lab.errors import CourseError

KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "list": (list, tuple),
    "dict": (dict,),
}
EXPECTED = {
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list": "a list, such as [1, 2]",
    "dict": 'an object, as {"a": 1}',
}


def split(pairs: list[str]) -> dict[str, str]:
    """Parse `NAME=VALUE` pairs.

    Raises:
        CourseError: a pair has no `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise CourseError(f"--parameter {pair} has no value: write {pair}=VALUE")
    return {name.strip(): text for name, _, text in (pair.partition("=") for pair in pairs)}


def read(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Parse texts as values of the types that a notebook declares for its parameters.

    Raises:
        CourseError: it has no such parameter, or the text is not a value of its type.
    """
    kinds = _kinds(path, texts)
    values = {name: _value(text, kinds[name]) for name, text in texts.items()}
    for name, value in values.items():
        _check(path, name, kinds[name], value, texts[name])
    return values


def check(path: Path, parameters: Mapping[str, Any]) -> None:
    """Check that a notebook has these parameters, of these types.

    Raises:
        CourseError: a parameter is unknown or has another type; the message says what is expected.
    """
    kinds = _kinds(path, parameters)
    for name, value in parameters.items():
        _check(path, name, kinds[name], value, value)


def _kinds(path: Path, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each parameter; empty if the notebook does not declare it."""
    import papermill

    if not parameters:
        return {}
    known = papermill.inspect_notebook(str(path))
    if unknown := sorted(parameters.keys() - known.keys()):
        names = ", ".join(known) or "none"
        raise CourseError(f"{path.stem} has no parameter {', '.join(unknown)}; it has: {names}")
    annotated = {name: str(parameter["inferred_type_name"]) for name, parameter in known.items()}
    return {name: kind.partition("[")[0].strip() for name, kind in annotated.items()}


def _value(text: str, kind: str) -> Any:
    """Parse a text as papermill's command line does, or as JSON if it is a list or an object."""
    if kind == "str":
        return text
    if (known := {"True": True, "False": False, "None": None}.get(text, text)) is not text:
        return known
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, list | dict) or kind == "bool" else text


def _check(path: Path, name: str, kind: str, value: Any, given: Any) -> None:
    allowed = KINDS.get(kind)
    if allowed is None or (isinstance(value, allowed) and _is_plain(value, kind)):
        return
    raise CourseError(f"{path.stem}: {name} is {EXPECTED[kind]}, not {given!r}")


def _is_plain(value: Any, kind: str) -> bool:
    """Return whether a value of a numeric type is a finite number, and not a bool."""
    if kind not in ("int", "float"):
        return True
    return not isinstance(value, bool) and math.isfinite(value)
