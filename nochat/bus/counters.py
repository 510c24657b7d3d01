"""Counts of the messages that an instance of a service has processed since it started."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nochat.protocol.envelope import Envelope, new_id, type_of

MALFORMED = "malformed"  # the name under which unreadable messages are counted


@dataclass
class Tally:
    """Counts that only grow.

    One call counts a group of messages, and types are named only when the counts are read: the cost
    per message is too small to measure.

    Attributes:
        service: the service's name.
        instance: the id of this instance.
        since: the start of the instance, in seconds since 1970.
        seconds: time spent in handlers.
        gauges: the service's own metrics, by name; each returns the current value.
        store: the product that stores the service's data ("MariaDB"); empty without a store.
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
        """Count messages that handlers have processed."""
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
