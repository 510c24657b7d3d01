"""Rate limits on users' actions over sockets, by their cost, and by the rooms and invitations made.

Each user has a bucket of each kind, and each address one of ten times its size: enough for a class
behind one address, but not for a hundred accounts of one person. Buckets are in the memory of one
gateway.
"""

import math
from typing import Any, NamedTuple

from nochat.protocol import reasons
from nochat.protocol.actions import Action
from nochat.protocol.reasons import Reason
from nochat.runtime.rate_limits import Limit
from nochat.settings import Settings

BURST = 5.0  # seconds worth of actions, and of searches, that may come at once
CHARACTERS = 500  # of a text; each further 500 cost as much as another action
HOUR = 3600.0
PER_ADDRESS = 10  # an address's limit as a multiple of a user's
PATIENT = 5.0  # seconds: clients retry by themselves after shorter waits, else they tell the user

LATER = {"rooms": reasons.rate_rooms, "invitations": reasons.rate_invitations}


class LimitRefusal(NamedTuple):
    """A refusal by a rate limit; `wait` is in seconds, or 0 if it is too long for a retry."""

    reason: Reason
    wait: float

    @property
    def answer(self) -> dict[str, Any]:
        """The answer to the client."""
        answer = self.reason.answer | {"retry": bool(self.wait)}
        return answer | ({"wait": self.wait} if self.wait else {})


class ActionLimits:
    """The buckets of one gateway."""

    def __init__(self, settings: Settings) -> None:
        rates = {
            "": (settings.user_rate, BURST),
            "searches": (settings.search_rate, BURST),
            "rooms": (settings.room_rate / HOUR, HOUR),
            "invitations": (settings.invite_rate / HOUR, HOUR),
        }
        self._of_users = {name: Limit(*rate) for name, rate in rates.items()}
        self._of_addresses = {
            name: Limit(PER_ADDRESS * rate, burst) for name, (rate, burst) in rates.items()
        }

    def refusal(
        self, action: Action, user: str, address: str, data: Any = None
    ) -> LimitRefusal | None:
        """Charge a user and their address for an action; return a refusal if a limit is exceeded.

        Args:
            action: the action.
            user: the user's name.
            address: the user's address.
            data: the client's data; a long text costs more.
        """
        if wait := self._wait("", user, address, action.cost + _length(data) // CHARACTERS):
            return _refusal("", wait)
        if action.price and (wait := self._wait(action.price, user, address, 1.0)):
            return _refusal(action.price, wait)
        return None

    def _wait(self, price: str, user: str, address: str, cost: float) -> float:
        wait = self._of_users[price].wait(user, cost)
        return wait or self._of_addresses[price].wait(address, cost)


def _length(data: Any) -> int:
    text = data.get("text") if isinstance(data, dict) else None
    return len(text) if isinstance(text, str) else 0


def _refusal(price: str, wait: float) -> LimitRefusal:
    if wait <= PATIENT or price not in LATER:
        return LimitRefusal(reasons.rate_actions(wait), math.ceil(wait * 1000) / 1000)
    return LimitRefusal(LATER[price](math.ceil(wait / 60)), 0)
