"""Cores apart: a server that is one process has one, the load generator another."""

import os
from collections.abc import Sequence
from pathlib import Path


def ours() -> set[int]:
    """Return the core of the load generator: the last; none, where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[-1]} if len(cores) > 1 else set()


def servers() -> set[int]:
    """Return the core of a server that is one process: the first; none, where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]} if len(cores) > 1 else set()


def pinned(command: Sequence[str | Path], cores: set[int]) -> list[str | Path]:
    """Return a command that runs on these cores alone; on any, where none is named."""
    if not cores:
        return [*command]
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]
