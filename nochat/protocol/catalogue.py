"""The catalogue: every command, event, request and reply, by its `type` on the wire."""

from collections.abc import Iterator

from nochat.protocol import commands, events, requests  # noqa: F401 - what the catalogue holds
from nochat.protocol.envelope import Envelope, type_of


def _leaves(kind: type[Envelope]) -> Iterator[type[Envelope]]:
    for child in kind.__subclasses__():
        if child.__subclasses__():
            yield from _leaves(child)
        else:
            yield child


def catalogue(kind: type[Envelope] = Envelope) -> dict[str, type[Envelope]]:
    """Every struct of a kind, by its `type` on the wire, those of your own services included."""
    return {type_of(struct): struct for struct in _leaves(kind)}
