"""Progress lines that are updated in place, in a notebook or a terminal.

Elsewhere, as in a log, each change is a line of its own.
"""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from nochat.lab.interrupt import interruptible


class Board:
    """A board with one line for each name: its step, and the seconds since. Use it in `with`.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._steps: dict[str, tuple[float, str]] = {}
        self._began = time.monotonic()
        self._show = _silent if quiet else medium()
        self._interruptible = interruptible()

    def say(self, name: str, text: str) -> None:
        """Show the current step of a name."""
        if name in self._steps and self._steps[name][1] == text:
            return
        self._steps[name] = (time.monotonic() - self._began, text)
        width = max(16, *map(len, self._steps))  # a longer name widens the rows before it, too
        rows = {
            who: f"{who:{width}} {seconds:6.1f} s  {step}"
            for who, (seconds, step) in self._steps.items()
        }
        self._show(rows, name)

    def __enter__(self) -> Self:
        self._interruptible.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._interruptible.__exit__(None, None, None)
        if kind:
            for name, (_seconds, step) in [*self._steps.items()]:
                self.say(name, f"stopped at: {step}")


@contextmanager
def progress(name: str, quiet: bool) -> Iterator[None]:
    """Print one line: the step that starts, then how long it took."""
    began = time.monotonic()
    if not quiet:
        print(f"{name} … ", end="", flush=True)
    try:
        with interruptible():
            yield
    except BaseException:
        if not quiet:
            print("not started")
        raise
    if not quiet:
        print(f"ready in {time.monotonic() - began:.1f} s")


def medium() -> Any:
    """Return the function that shows lines in this environment: a cell, a terminal or a log."""
    if _is_in_notebook():
        return _Cell()
    return _Terminal() if sys.stdout.isatty() else _log


def _is_in_notebook() -> bool:
    # IPython is already loaded in a notebook; elsewhere it is not needed.
    loaded = sys.modules.get("IPython")
    return loaded is not None and hasattr(loaded.get_ipython(), "kernel")


def _silent(rows: Mapping[str, str], name: str) -> None:
    pass


def _log(rows: Mapping[str, str], name: str) -> None:
    print(rows[name], flush=True)


class _Terminal:
    """A board in a terminal, which overwrites its earlier lines."""

    height = 0

    def __call__(self, rows: Mapping[str, str], name: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        back = f"\x1b[{self.height}F" if self.height else ""
        lines = "".join(f"{row[:width]}\x1b[K\n" for row in rows.values())
        print(back + lines, end="", flush=True)
        self.height = len(rows)


class _Cell:
    """A board in a notebook, which updates a cell's output."""

    handle: Any = None

    def __call__(self, rows: Mapping[str, str], name: str) -> None:
        from IPython.display import display

        output = {"text/plain": "\n".join(rows.values())}
        if self.handle:
            self.handle.update(output, raw=True)
        else:
            self.handle = display(output, raw=True, display_id=True)  # type: ignore[no-untyped-call]
