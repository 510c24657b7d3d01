"""The chat's own errors: each message says what happened and what to do.

Scripts import this module before any package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nochat.protocol.reasons import Reason


class NochatError(Exception):
    """Base of the chat's own errors."""


class Unavailable(NochatError):
    """A store or service does not answer now; a later retry may succeed.

    Args:
        said: the error message for the log, with the name of the server.
        reason: the reason for clients; None for a general one that names this part of the chat.
    """

    def __init__(self, said: str, reason: Reason | None = None) -> None:
        super().__init__(said)
        self.reason = reason


class BusError(NochatError):
    """The bus can't be used: a wrong URL, a refused password, a full broker."""


class ConnectionLost(BusError, Unavailable):
    """The connection broke before the broker confirmed; the event may or may not have arrived."""


class Unroutable(BusError):
    """No queue takes the command or request: its service has never been started."""


class Busy(Unavailable):
    """A service is overloaded; `wait` is the number of seconds until a retry."""

    reason: Reason

    def __init__(self, reason: Reason, wait: float) -> None:
        super().__init__(str(reason), reason)
        self.wait = wait


class BrokerDown(BusError, Unavailable):
    """The broker does not answer."""


class RequestFailed(NochatError):
    """The service refused the request, with its reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Fatal(NochatError):
    """An error after which the service must stop, until an operator has fixed the cause."""
