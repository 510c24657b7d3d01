"""Actions of clients: each is validated, sent to the bus, and answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from nochat.bus import Bus
from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.protocol import incoming, reasons
from nochat.protocol.actions import Action
from nochat.protocol.envelope import caused_by
from nochat.protocol.reasons import Reason
from nochat.runtime.action_limits import ActionLimits
from nochat.services.gateway.confirmed import PUBLISH_TIMEOUT, Answer, Confirms
from nochat.services.gateway.connections import Connections

log = logging.getLogger(__name__)


class Receiver:
    """The receiver of the actions of one gateway's clients."""

    def __init__(self, bus: Bus, connections: Connections, limits: ActionLimits) -> None:
        self._bus, self._connections, self._action_limits = bus, connections, limits
        self._publish = Confirms(bus, _refused).publish

    def handler(self, action: Action) -> Callable[..., Answer | Awaitable[Answer]]:
        """Make the socket.io handler: checks rate and shape, and turns errors into answers."""

        def receive(sid: str, data: Any = None, *_: Any) -> Answer | Awaitable[Answer]:
            if not (connection := self._connections.get(sid)):
                return _refusal(reasons.socket_closed(), retry=True)
            payer = connection.user, connection.address
            if refusal := self._action_limits.refusal(action, *payer, data):
                return refusal.answer
            try:
                sent = incoming.read(data, action.shape)
                cause = getattr(sent, "client_id", "")
                with caused_by(cause):
                    acting = action.act(connection, sent, self._bus, self._publish)
            except Exception as error:
                return _refused(error)
            return acting if isinstance(acting, asyncio.Future) else _answered(acting, cause)

        return receive


async def _answered(acting: Awaitable[Any], cause: str) -> Answer:
    try:
        with caused_by(cause):
            return await acting or {}
    except Exception as error:
        return _refused(error)


def _refused(error: BaseException) -> Answer:
    """Return the answer for an error: whatever it is, without one the client would wait."""
    if isinstance(error, msgspec.ValidationError):
        return _refusal(incoming.why(error))
    if isinstance(error, RequestFailed):
        return _refusal(error.reason)
    if isinstance(error, NochatError | TimeoutError):
        log.warning("a client was told to try again: %s", error)
        return _refusal(_why_not_now(error), retry=True)
    log.error("an action failed", exc_info=error)
    return _refusal(reasons.failed())


def _refusal(reason: Reason, *, retry: bool = False) -> dict[str, Any]:
    """Return the answer to a refused action."""
    return reason.answer | {"retry": retry}


def _why_not_now(error: BaseException) -> Reason:
    """Return what a client is told of an error that names servers, which is for the log."""
    if isinstance(error, TimeoutError):  # of a confirm
        return reasons.timed_out("bus", PUBLISH_TIMEOUT)
    reason = error.reason if isinstance(error, Unavailable) else None
    return reason or reasons.unavailable("bus")
