"""Trace logging: one line per message that a service publishes or handles.

The logger `nochat.trace` writes them at level `debug`; `nochat.runtime.logs` defines the fields.
"""

import logging
from collections.abc import Iterable

from nochat.protocol.envelope import Envelope, type_of

log = logging.getLogger("nochat.trace")  # services in other languages use the same name


def trace(
    service: str, handled: Iterable[Envelope] = (), published: Iterable[Envelope] = ()
) -> None:
    """Log each handled and published message; costs nothing unless the level is `debug`."""
    if log.isEnabledFor(logging.DEBUG):
        for envelope in handled:
            _note(service, "handled", envelope)
        for envelope in published:
            _note(service, "published", envelope)


def _note(service: str, step: str, envelope: Envelope) -> None:
    kind = type_of(type(envelope))
    fields = {"service": service, "step": step, "type": kind, "event_id": envelope.id}
    log.debug("%s %s", step, kind, extra=fields | {"correlation_id": envelope.correlation_id})
