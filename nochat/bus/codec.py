"""Encoding of envelopes: a message's body is a JSON array of one or more envelopes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import msgspec

from nochat.protocol.catalogue import catalogue
from nochat.protocol.envelope import Envelope

encode = msgspec.json.Encoder().encode


def join(encoded: Iterable[bytes]) -> bytes:
    """Join several encoded envelopes into one body."""
    return b"[" + b",".join(encoded) + b"]"


@dataclass
class Decoded:
    """The content of a body: envelopes, and unreadable parts with the reason."""

    envelopes: list[Envelope] = field(default_factory=list)
    malformed: list[tuple[bytes, str]] = field(default_factory=list)


class Decoder:
    """A decoder of bodies into the structs that were in the catalogue when it was created."""

    def __init__(self) -> None:
        self._all, self._one = _decoders(*catalogue().values())

    def __call__(self, body: bytes) -> Decoded:
        """Decode a body; a malformed envelope does not affect the others."""
        try:
            return Decoded(self._all.decode(body))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return self._one_by_one(body)

    def _one_by_one(self, body: bytes) -> Decoded:
        try:
            items = [bytes(item) for item in _raw.decode(body)]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return Decoded(malformed=[(body, f"not a JSON array of events: {error}")])
        decoded = Decoded()
        for item in items:
            try:
                decoded.envelopes.append(self._one.decode(item))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                decoded.malformed.append((join([item]), f"malformed event: {error}"))
        return decoded


_raw = msgspec.json.Decoder(list[msgspec.Raw])


@lru_cache(maxsize=1)  # every bus and consumer has a decoder of the same structs
def _decoders(*known: type[Envelope]) -> tuple[msgspec.json.Decoder[Any], ...]:
    """Create two decoders: for a list of these structs, and for one of them."""
    one: Any = reduce(or_, known)
    return msgspec.json.Decoder(list[one]), msgspec.json.Decoder(one)


class Head(msgspec.Struct, frozen=True):
    """The fields of an envelope that can be read even if the rest is malformed."""

    type: str = ""
    id: str = ""
    in_reply_to: str = ""


_heads = msgspec.json.Decoder(list[Head])


def head(body: bytes) -> Head:
    """Return the head of the only envelope in a body that could not be read."""
    try:
        (only,) = _heads.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return Head()
    return only
