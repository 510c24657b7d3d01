"""The errors that the chat raises itself: each message says what happened and what to do.

Scripts import this before any package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nochat.protocol.reasons import Reason


class NochatError(Exception):
    """Base of all errors that the chat raises itself."""


class Unavailable(NochatError):
    """A store or service does not answer now; trying again later may succeed.

    Args:
        said: what does not answer and where, for the log.
        reason: what others are told; None: that the part of the chat where it happened is away.
    """

    def __init__(self, said: str, reason: Reason | None = None) -> None:
        super().__init__(said)
        self.reason = reason


class BusError(NochatError):
    """The bus can't be used as asked: a wrong URL, a refused password, a full broker."""


class ConnectionLost(BusError, Unavailable):
    """The connection broke before the broker confirmed; the event may or may not have arrived."""


class Unroutable(BusError):
    """No queue takes the command or request: the service that should has never been started."""


class Busy(Unavailable):
    """A service has too much to do; `wait` is the seconds after which to try again."""

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
    """An error after which the service must stop, until people have looked at it."""
