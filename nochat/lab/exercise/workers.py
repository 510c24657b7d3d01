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
function(*arguments)
"""


def start(folder: Path, function: Callable[..., Any], *arguments: Any) -> ChildProcess:
    """Run a function in another process, which ends with this one.

    Args:
        folder: takes the process's files; what it prints is in `log` there.
        function: may be defined in a notebook: it is sent with what it refers to.
        arguments: are sent with it.
    """
    given = folder / "given"
    given.write_bytes(cloudpickle.dumps((function, arguments)))
    command = [sys.executable, "-c", PROGRAM, str(given)]
    return start_child(command, env=dict(os.environ), log=folder / "log", grace=0)
