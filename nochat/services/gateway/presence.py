"""Presence: each gateway reports its users, everyone adds the reports up. Never stored."""

import time
from collections import Counter
from dataclasses import dataclass, field

REPORT_EVERY = 5.0  # seconds
FORGET_AFTER = 3 * REPORT_EVERY  # a gateway that was killed reports no more


@dataclass
class Presence:
    """The users on this gateway, and those that the others reported."""

    gateway: str
    here: Counter[str] = field(default_factory=Counter)
    _reports: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)
    _shown: frozenset[str] = frozenset()

    def came(self, user: str) -> bool:
        """Count an opened socket; return whether it is the user's first here."""
        self.here[user] += 1
        return self.here[user] == 1

    def went(self, user: str) -> bool:
        """Count a closed socket; return whether it was the user's last here."""
        self.here[user] -= 1
        if self.here[user] > 0:
            return False
        del self.here[user]
        return True

    def reported(self, gateway: str, users: list[str]) -> None:
        """Note who is connected to a gateway; nobody, when it stops."""
        self._reports[gateway] = (time.monotonic(), frozenset(users))

    @property
    def users(self) -> frozenset[str]:
        """Everybody who is connected to any gateway that was heard of lately."""
        oldest = time.monotonic() - FORGET_AFTER
        for gateway in [name for name, (at, _) in self._reports.items() if at < oldest]:
            del self._reports[gateway]
        return frozenset(self.here).union(*(users for _, users in self._reports.values()))

    def changes(self) -> tuple[list[str], list[str]]:
        """Return who came and who went since the last call."""
        now, before = self.users, self._shown
        self._shown = now
        return sorted(now - before), sorted(before - now)
