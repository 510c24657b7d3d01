"""Locks of data folders, as two processes that write to the same files would lose messages."""

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nochat.errors import NochatError

PATIENCE = 8.0  # seconds to wait for a predecessor that was just killed
NAME = "owner"


@asynccontextmanager
async def owned(folder: Path, patience: float | None = None) -> AsyncIterator[int]:
    """Lock a folder for this process until the block ends.

    Args:
        folder: the folder, created if necessary.
        patience: seconds to wait for another owner to end; `PATIENCE` if None.

    Yields:
        The lock's file descriptor. A child process that inherits it holds the lock, too: the
        folder is free when the last of them has ended.

    Raises:
        NochatError: another process owns the folder (the message names it), or the folder can't be
            used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NochatError(
            f"{folder} can't be used ({error.strerror}); correct its permissions, or set "
            "NOCHAT_DATA_DIR to another folder"
        ) from None
    try:
        await _lock(descriptor, folder, PATIENCE if patience is None else patience)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {' '.join(map(_name, sys.argv))}".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, folder: Path, patience: float) -> None:
    give_up = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() > give_up:
                break
        await asyncio.sleep(0.05)
    pid, _, command = os.pread(descriptor, 1000, 0).decode(errors="replace").partition(" ")
    raise NochatError(
        f"{folder} is in use by process {pid or '?'} ({command or 'just started'}); stop it, or "
        "set NOCHAT_DATA_DIR to another folder"
    )


def _name(argument: str) -> str:
    return Path(argument).name
