"""Presence: each gateway reports its users, and combines the reports of all. Never stored."""

import time
from collections import Counter
from dataclasses import dataclass, field

REPORT_EVERY = 5.0  # seconds
FORGET_AFTER = 3 * REPORT_EVERY  # seconds until a killed gateway's report expires


@dataclass
class Presence:
    """The users on this gateway, and those in the others' reports."""

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
        """Store a gateway's report of its users; an empty one when it stops."""
        self._reports[gateway] = (time.monotonic(), frozenset(users))

    @property
    def users(self) -> frozenset[str]:
        """All users on any gateway with a recent report."""
        oldest = time.monotonic() - FORGET_AFTER
        for gateway in [name for name, (at, _) in self._reports.items() if at < oldest]:
            del self._reports[gateway]
        return frozenset(self.here).union(*(users for _, users in self._reports.values()))

    def changes(self) -> tuple[list[str], list[str]]:
        """Return the users who came and those who went since the last call."""
        now, before = self.users, self._shown
        self._shown = now
        return sorted(now - before), sorted(before - now)
