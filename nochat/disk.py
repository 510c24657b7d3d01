"""What the disk must know before others may rely on it."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Return when the disk knows of the files that were made in a folder.

    Raises:
        OSError: it can't be told.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
