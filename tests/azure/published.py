"""Whether an answer is as Azure's published specification says, of which the SDK is generated."""

import builtins
import enum
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any


def problems(models: Any, model: Any, answer: dict[str, Any], path: str = "") -> Iterator[str]:
    """What is unknown to the SDK's model, or required by it and missing; with the path to it."""
    model({})  # which has it know how its properties are called in an answer
    names = {**vars(sys.modules[model.__module__]), "_models": models}
    hints = typing.get_type_hints(model, names)
    fields = {field._rest_name: hints[ours] for ours, field in model._attr_to_rest_field.items()}
    for name, value in answer.items():
        where = f"{path}.{name}".strip(".")
        if name not in fields:
            yield f"{where} is unknown"
        elif value is not None:
            yield from _inside(models, fields[name], value, where)
    for name, hint in fields.items():
        if type(None) not in typing.get_args(hint) and name not in answer:
            yield f"{path}.{name} is missing".strip(".")


def _inside(models: Any, hint: Any, value: Any, path: str) -> Iterator[str]:
    options = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Union | types.UnionType:
            known = [
                choice
                for choice in options
                if isinstance(choice, type) and issubclass(choice, enum.Enum)
            ]
            if known and value not in {member.value for member in known[0]}:
                yield f"{path} is {value}, which is unknown"
            for option in options:
                if option is not type(None) and option is not str and option not in known:
                    yield from _inside(models, option, value, path)
        case builtins.list:
            for at, item in enumerate(value):
                yield from _inside(models, options[0], item, f"{path}[{at}]")
        case None if hasattr(hint, "_attr_to_rest_field") or hasattr(hint, "as_dict"):
            if isinstance(value, dict):
                yield from problems(models, hint, value, path)
            else:
                yield f"{path} is no object"
        case None if hint in (str, int, bool, float):
            if not isinstance(value, (int, float) if hint is float else hint):
                yield f"{path} is {value!r}, no {hint.__name__}"
