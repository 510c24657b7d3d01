"""The catalogue: every command, event, request and reply, by its `type` on the wire."""

from collections.abc import Iterator

from nochat.errors import NochatError
from nochat.protocol import commands, events, requests  # noqa: F401 - what the catalogue holds
from nochat.protocol.envelope import Envelope, type_of


def _structs(kind: type[Envelope]) -> Iterator[type[Envelope]]:
    """Yield all subclasses of a kind, except untagged ones that are only bases."""
    for child in kind.__subclasses__():
        if type_of(child) != child.__name__ or not child.__subclasses__():
            yield child
        yield from _structs(child)


def catalogue(kind: type[Envelope] = Envelope) -> dict[str, type[Envelope]]:
    """Return every struct of a kind by its `type` on the wire, with those of your own services.

    Raises:
        NochatError: two different structs have the same type; a struct that is redefined, as in
            a notebook's cell, replaces the earlier one.
    """
    structs: dict[str, type[Envelope]] = {}
    for struct in _structs(kind):
        other = structs.get(name := type_of(struct))
        if other and _path(other) != _path(struct):
            raise NochatError(
                f"{_path(other)} and {_path(struct)} have the same type on the wire, {name!r}; "
                f"give the second one of its own: class {struct.__name__}(…, tag='…')"
            )
        structs[name] = struct
    return structs


def _path(struct: type[Envelope]) -> str:
    return f"{struct.__module__}.{struct.__qualname__}"
