"""Actions of clients: each is validated, sent to the bus, and answered."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from nochat.bus import Bus
from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.protocol import incoming, reasons
from nochat.protocol.actions import Action
from nochat.protocol.envelope import caused_by
from nochat.protocol.reasons import Reason
from nochat.runtime.action_limits import ActionLimits
from nochat.services.gateway.confirmed import PUBLISH_TIMEOUT, publish_confirmed
from nochat.services.gateway.connections import Connections

log = logging.getLogger(__name__)


class Receiver:
    """The receiver of the actions of one gateway's clients."""

    def __init__(self, bus: Bus, connections: Connections, limits: ActionLimits) -> None:
        self._bus, self._connections, self._action_limits = bus, connections, limits
        self._publish = partial(publish_confirmed, bus)

    def handler(self, action: Action) -> Callable[..., Awaitable[dict[str, Any]]]:
        """Return a Socket.IO handler that checks rate and shape, and turns errors into answers."""

        async def receive(sid: str, data: Any = None, *_: Any) -> dict[str, Any]:
            if not (connection := self._connections.get(sid)):
                return _refusal(reasons.socket_closed(), retry=True)
            payer = connection.user, connection.address
            if refusal := self._action_limits.refusal(action, *payer, data):
                return refusal.answer
            try:
                sent = incoming.read(data, action.shape)
                with caused_by(getattr(sent, "client_id", "")):
                    return await action.act(connection, sent, self._bus, self._publish)
            except msgspec.ValidationError as error:
                return _refusal(incoming.why(error))
            except RequestFailed as error:
                return _refusal(error.reason)
            except (NochatError, TimeoutError) as error:
                log.warning("a client was told to try again: %s", error)
                return _refusal(_why_not_now(error), retry=True)
            except Exception:  # without an answer, the client would wait
                log.exception("%s failed", action.shape.__name__)
                return _refusal(reasons.failed())

        return receive


def _refusal(reason: Reason, *, retry: bool = False) -> dict[str, Any]:
    """Return the answer to a refused action."""
    return reason.answer | {"retry": retry}


def _why_not_now(error: Exception) -> Reason:
    """Return a reason for the client, without the names of servers in an error."""
    if isinstance(error, TimeoutError):  # of a confirm
        return reasons.timed_out("bus", PUBLISH_TIMEOUT)
    reason = error.reason if isinstance(error, Unavailable) else None
    return reason or reasons.unavailable("bus")
