"""Input from outside: structs whose texts are checked by the rules of `nochat.domain.text`.

A text that no rule takes is refused with the rule's sentence. What was taken can be encoded, so it
travels and is stored; between the services it is checked no more.
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
    """Read the data that somebody sent into their struct.

    Raises:
        msgspec.ValidationError: it has another shape, or a text in it is refused.
    """
    try:
        return msgspec.convert(data, shape)
    except UnicodeEncodeError:  # a name of a field, or a word of which there are only a few
        half = text.TextRefused(reasons.text_half())
        raise msgspec.ValidationError(str(half)) from half


def why(error: msgspec.ValidationError) -> Reason:
    """Return the reason for which what somebody sent is not taken."""
    cause = error.__cause__
    return (
        cause.reason if isinstance(cause, text.TextRefused) else reasons.request_shape(str(error))
    )


class Incoming(msgspec.Struct, frozen=True):
    """Fields that somebody sent."""

    def __post_init__(self) -> None:
        for name, rule in _rules(type(self)).items():
            sent = getattr(self, name)
            if (taken := rule(sent)) is not sent:
                msgspec.structs.force_setattr(self, name, taken)


@cache
def _rules(shape: type[Incoming]) -> dict[str, Callable[[str], str]]:
    """Return the rule of each text among the fields; any text must be one that can be encoded."""
    rules: dict[str, Callable[[str], str]] = {}
    for field in inspect.type_info(shape).fields:  # type: ignore[attr-defined]
        kind: inspect.Type = field.type
        rule = text.whole
        if isinstance(kind, inspect.Metadata):
            rule, kind = (kind.extra or {}).get(RULE, rule), kind.type
        if isinstance(kind, inspect.StrType):
            rules[field.encode_name] = rule
    return rules
