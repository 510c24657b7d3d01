"""Counts of what one instance of a service has done since it started."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nochat.protocol.envelope import Envelope, new_id, type_of

MALFORMED = "malformed"  # counted in place of a type, for what could not be read


@dataclass
class Tally:
    """Counts that only grow.

    A group of messages is counted by one call, and their types get their names only when somebody
    asks: what that costs a message can't be measured.

    Attributes:
        service: the service's name.
        instance: which of the service's instances.
        since: when it started, in seconds since 1970.
        seconds: spent in handlers.
        gauges: what the service has now, by name: metrics of its own.
        store: the product that keeps the service's data ("MariaDB"); empty: it has none.
    """

    service: str
    instance: str = field(default_factory=lambda: new_id()[:8])
    since: float = field(default_factory=time.time)
    seconds: float = 0.0
    store: str = ""
    gauges: dict[str, Callable[[], float]] = field(default_factory=dict)
    _handled: Counter[type[Envelope]] = field(default_factory=Counter)
    _published: Counter[type[Envelope]] = field(default_factory=Counter)
    _failed: Counter[str] = field(default_factory=Counter)

    def note_handled(self, events: Iterable[Envelope]) -> None:
        """Count what handlers are done with."""
        self._handled.update(map(type, events))

    def note_published(self, kinds: Iterable[type[Envelope]]) -> None:
        """Count published messages, by their types: commands, events, requests and replies."""
        self._published.update(kinds)

    def note_failed(self, name: str) -> None:
        """Count a failure, by its type's name."""
        self._failed[name] += 1

    @property
    def handled(self) -> dict[str, int]:
        """Handled messages, by type."""
        return _named(self._handled)

    @property
    def published(self) -> dict[str, int]:
        """Published messages, by type."""
        return _named(self._published)

    @property
    def failed(self) -> dict[str, int]:
        """Failures by type: dead letters, and requests that ended in an error."""
        return dict(self._failed)


def _named(counts: Counter[type[Envelope]]) -> dict[str, int]:
    return {type_of(kind): count for kind, count in counts.items()}
