"""File descriptors: a process needs one for each connection, and has a low limit at first."""

import resource
from contextlib import suppress

ENOUGH = 65_536


def raise_limit() -> None:
    """Raise this process's limit of open files as far as it may, up to `ENOUGH`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems have a lower, hidden limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share(most: int, part: int = 4) -> int:
    """Limit connections to a fraction of all file descriptors, so that others stay free.

    Args:
        most: the desired bound; 0 for none.
        part: the divisor of the fraction.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(1, soft // part))
