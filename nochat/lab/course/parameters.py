"""A notebook's parameters: those that its cell tagged `parameters` has, of the kind it says.

papermill would only warn of an unknown name, and hand any text to a notebook that expects a number.
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
    """Read `NAME=VALUE` pairs.

    Raises:
        CourseError: one has no `=`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise CourseError(f"--parameter {pair} has no value: write {pair}=VALUE")
    return {name.strip(): text for name, _, text in (pair.partition("=") for pair in pairs)}


def read(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn texts into values of the kinds that a notebook says its parameters have.

    Raises:
        CourseError: it has no such parameter, or the text is no such value.
    """
    kinds = _kinds(path, texts)
    values = {name: _value(text, kinds[name]) for name, text in texts.items()}
    for name, value in values.items():
        _check(path, name, kinds[name], value, texts[name])
    return values


def check(path: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that a notebook doesn't have, or of another kind.

    Raises:
        CourseError: with the names that the notebook knows, or what it expects.
    """
    kinds = _kinds(path, parameters)
    for name, value in parameters.items():
        _check(path, name, kinds[name], value, value)


def _kinds(path: Path, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each parameter; empty where the notebook does not say."""
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
    """Read a text as papermill's command line does; or as JSON, if it is a list or an object."""
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
    """Tell whether a value is a plain number: True is none, nor is infinity."""
    if kind not in ("int", "float"):
        return True
    return not isinstance(value, bool) and math.isfinite(value)
