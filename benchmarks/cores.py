"""Separate cores: one for a server of a single process, another for the load generator."""

import os
from collections.abc import Sequence
from pathlib import Path


def ours() -> set[int]:
    """Return the core of the load generator, the last one; none if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[-1]} if len(cores) > 1 else set()


def servers() -> set[int]:
    """Return the core of a server of one process, the first one; none if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]} if len(cores) > 1 else set()


def pinned(command: Sequence[str | Path], cores: set[int]) -> list[str | Path]:
    """Return a command that runs only on these cores, or on any if there are none."""
    if not cores:
        return [*command]
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]
