"""Torn files: a kill in the middle of a write leaves the half of a record at the end."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nochat.lab import program

OURS = {"log", program.CLIENT.name}
DATABASE = b"SQLite format 3"  # it takes care of torn writes itself
OF_DATABASES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class State:
    """A file at a moment."""

    inode: int
    content: bytes


@dataclass(frozen=True)
class Write:
    """The files before and after one message."""

    before: Mapping[Path, State]
    after: Mapping[Path, State]


@dataclass(frozen=True)
class Torn:
    """A file that was torn; `rewritten` if the program writes the whole of it each time."""

    path: Path
    rewritten: bool


def files(folder: Path) -> dict[Path, State]:
    """Return what a program has written to its folder, its own code and log apart."""
    found = {}
    for path in folder.rglob("*"):
        own = path.name in OURS or path.name in program.files or "__pycache__" in path.parts
        if not own and path.is_file():
            found[path] = State(path.stat().st_ino, path.read_bytes())
    return found


def tear(write: Write) -> Torn | None:
    """Do to the file that took the message what a kill in the middle of a write does.

    Nothing is done to a database, and to a file that is written anew under another name: a kill
    leaves these as they were.
    """
    after = write.after
    changed = [path for path in after if path in write.before and after[path] != write.before[path]]
    if any(_is_database(path, state) for path, state in after.items()):
        return None
    for path in changed:
        before = write.before[path]
        if before.inode != after[path].inode or not path.exists():
            continue
        if after[path].content.startswith(before.content):
            record = after[path].content[len(before.content) :]
            with path.open("ab") as file:
                file.write(record[: max(1, len(record) // 2)])
            return Torn(path, rewritten=False)
        os.truncate(path, path.stat().st_size // 2)
        return Torn(path, rewritten=True)
    return None


def _is_database(path: Path, state: State) -> bool:
    return path.name.endswith(OF_DATABASES) or state.content.startswith(DATABASE)
