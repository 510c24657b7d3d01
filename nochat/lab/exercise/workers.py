"""A student's function in a process of its own, which a judge may kill at any moment."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from nochat.local.processes import ChildProcess, start_child

# The function comes as a file, so that nothing but a path is in the list of processes.
PROGRAM = """
import sys, cloudpickle
with open(sys.argv[1], "rb") as file:
    function, arguments = cloudpickle.load(file)
open(sys.argv[2], "w").close()
try:
    function(*arguments)
except Exception as error:
    with open(sys.argv[3], "w") as file:
        file.write(f"{type(error).__name__}: {error}")
    raise
"""


def start(folder: Path, function: Callable[..., Any], *arguments: Any) -> ChildProcess:
    """Run a function in another process, which ends with this one.

    Args:
        folder: takes the process's files; what it prints is in `log` there.
        function: may be defined in a notebook: it is sent with what it refers to.
        arguments: are sent with it.
    """
    given, begun, failure = (folder / name for name in ("given", "begun", "error"))
    for file in (begun, failure):
        file.unlink(missing_ok=True)
    given.write_bytes(cloudpickle.dumps((function, arguments)))
    command = [sys.executable, "-c", PROGRAM, *map(str, (given, begun, failure))]
    return start_child(command, env=dict(os.environ), log=folder / "log", grace=0)


def begun(folder: Path) -> float:
    """Return when the last function of this folder was called, in seconds since 1970; 0 before.

    A busy machine may take long to start Python: whoever waits for a function waits from here.
    """
    file = folder / "begun"
    return file.stat().st_mtime if file.exists() else 0.0


def error(folder: Path) -> str:
    """Return the error that the last process of this folder ended with; "" for none."""
    failure = folder / "error"
    return failure.read_text(encoding="utf-8") if failure.exists() else ""
