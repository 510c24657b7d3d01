"""Input from outside: structs whose texts are validated by the rules of `nochat.domain.text`.

A text that breaks a rule is refused with the rule's reason. Valid texts can be encoded and stored;
the services do not validate them again.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, inspect

from nochat.domain import text
from nochat.protocol import reasons
from nochat.protocol.reasons import Reason

RULE = "rule"


def _taken(rule: Callable[[str], str], **schema: int) -> Meta:
    return Meta(extra={RULE: rule}, extra_json_schema=schema)


NewName = Annotated[str, _taken(text.name, minLength=2, maxLength=text.LONGEST_NAME)]
AskedName = Annotated[str, _taken(text.asked_name, maxLength=text.ASKED_NAME)]
RoomId = Annotated[str, _taken(text.room, minLength=1, maxLength=40)]
RoomOrAny = Annotated[str, _taken(lambda room: room and text.room(room), maxLength=40)]
ClientId = Annotated[str, _taken(text.client_id, minLength=1, maxLength=64)]
Title = Annotated[str, _taken(text.title, minLength=1)]
Message = Annotated[str, _taken(text.message, minLength=1, maxLength=text.LONGEST_MESSAGE)]
Reaction = Annotated[str, _taken(text.reaction, minLength=1)]
Sought = Annotated[str, Meta(max_length=text.LONGEST_SEARCH)]
Searched = Annotated[str, _taken(text.search, minLength=1, maxLength=text.LONGEST_SEARCH)]


_Shape = TypeVar("_Shape")


def read(data: Any, shape: type[_Shape]) -> _Shape:
    """Validate a client's data, and convert them to a struct.

    Raises:
        msgspec.ValidationError: they have another shape, or a text in them is refused.
    """
    try:
        return msgspec.convert(data, shape)
    except UnicodeEncodeError:  # a lone surrogate in a field's name or a literal
        half = text.TextRefused(reasons.text_half())
        raise msgspec.ValidationError(str(half)) from half


def why(error: msgspec.ValidationError) -> Reason:
    """Return the reason of a failed validation."""
    cause = error.__cause__
    return (
        cause.reason if isinstance(cause, text.TextRefused) else reasons.request_shape(str(error))
    )


class Incoming(msgspec.Struct, frozen=True):
    """The base of structs with a client's data."""

    def __post_init__(self) -> None:
        for name, rule in _rules(type(self)).items():
            sent = getattr(self, name)
            if (taken := rule(sent)) is not sent:
                msgspec.structs.force_setattr(self, name, taken)


@cache
def _rules(shape: type[Incoming]) -> dict[str, Callable[[str], str]]:
    """Return the rule of each text field; without a rule, a text must only be encodable."""
    rules: dict[str, Callable[[str], str]] = {}
    for field in inspect.type_info(shape).fields:  # type: ignore[attr-defined]
        kind: inspect.Type = field.type
        rule = text.whole
        if isinstance(kind, inspect.Metadata):
            rule, kind = (kind.extra or {}).get(RULE, rule), kind.type
        if isinstance(kind, inspect.StrType):
            rules[field.encode_name] = rule
    return rules
