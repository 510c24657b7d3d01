"""A file of notes that survives the process which writes it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Notes:
    """Lines of a file. Each is written before `add` returns, whatever becomes of the process."""

    path: Path

    def add(self, line: str) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def lines(self) -> list[str]:
        """Return all whole lines so far."""
        if not self.path.exists():
            return []
        return self.path.read_text(encoding="utf-8").split("\n")[:-1]

    @property
    def written(self) -> float:
        """The time of the last note, in seconds since 1970; 0 for none."""
        return self.path.stat().st_mtime if self.path.exists() else 0.0
