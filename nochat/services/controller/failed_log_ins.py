"""A rate limit on logged failures, so that endless attempts do not fill the log."""

import time
from collections import Counter
from collections.abc import Callable

from nochat.runtime.rate_limits import MOST_KEYS, Limit

OF_ACCOUNT = 1 / 60, 600.0  # ten at once, then one a minute
TOGETHER = 1 / 10, 1000.0  # a hundred at once, then one in ten seconds


class FailedLogIns:
    """Counts of failed log-ins, in the memory of one controller.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._of_account, self._together = Limit(*OF_ACCOUNT, now), Limit(*TOGETHER, now)
        self._unsaid: Counter[str] = Counter()

    def note(self, account: str) -> int | None:
        """Count a failure; return the number of unlogged ones before it, or None not to log it.

        Args:
            account: the account concerned; "" if there is no such account.
        """
        if self._of_account.wait(account) or self._together.wait(""):
            if len(self._unsaid) < MOST_KEYS:
                self._unsaid[account] += 1
            return None
        return self._unsaid.pop(account, 0)
