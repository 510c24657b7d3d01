"""Durable and private files: synced to disk before others rely on them."""

import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

OTHERS = 0o077  # permissions of the group and everybody else


def make_private(paths: Iterable[Path]) -> None:
    """Remove all permissions of others on files, and on folders with all their contents.

    New files are private by the process's umask; these may be older, or have been copied here.
    """
    for path in paths:
        for entry in [path, *path.rglob("*")]:
            try:
                mode = entry.lstat().st_mode
                if mode & OTHERS and not stat.S_ISLNK(mode):
                    entry.chmod(stat.S_IMODE(mode) & ~OTHERS)
            except FileNotFoundError:  # it was removed, or never existed
                continue
            except OSError as error:
                log.warning("others may be able to read %s: %s", entry, error)


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that its new files survive a crash.

    Raises:
        OSError: the folder can't be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
