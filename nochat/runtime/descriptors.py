"""File descriptors: a process needs one for each connection, and starts with few."""

import resource
from contextlib import suppress

ENOUGH = 65_536


def raise_limit() -> None:
    """Let this process open as many files as it is allowed to, up to `ENOUGH`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # as some systems have a lower one that they don't tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share(most: int, part: int = 4) -> int:
    """Limit connections to a part of all file descriptors, so that others find some.

    Args:
        most: the bound that is wished; 0: none.
        part: of how many parts it may take one.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(1, soft // part))
