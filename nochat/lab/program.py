"""A program that a notebook writes cell by cell, and runs as processes.

A cell that begins with `%%file NAME` is a file of the program. The files are kept in memory; each
process gets copies in a temporary folder, which is removed when it ends. So a cell can be run again
at any time, and nothing is left on the disk, however the notebook ends.
"""

import re
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from IPython.core.getipython import get_ipython

from nochat.lab.waiting import until_ready
from nochat.local.processes import ChildProcess, NotReady, free_port, is_free, listens, start_child

READY = 30.0  # seconds that a program may take to start; more while it is busy
# The official client for browsers, as the chat's own page uses it.
CLIENT = Path(__file__).parents[1] / "services" / "web" / "static" / "vendor" / "socket.io.js"

files: dict[str, str] = {}
_broken: dict[str, SyntaxError] = {}  # files whose cell ended with an error
_running: dict[str, "Process"] = {}
_ports: dict[str, int] = {}  # the last port of each process, by its name


class Process:
    """A running program. It ends with the notebook's kernel in any case.

    Attributes:
        name: its name, as given to `start`.
        url: its address; "" if it listens nowhere.
    """

    def __init__(self, name: str, port: int, child: ChildProcess) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}" if port else ""
        self._port, self._child = port, child

    @property
    def alive(self) -> bool:
        """True while it is running."""
        return self._child.alive

    @property
    def log(self) -> str:
        """The last lines of its output."""
        return self._child.tail()

    @property
    def folder(self) -> Path:
        """The folder that it runs in; it stays after a kill, and is removed at the end."""
        return self._child.log.parent

    def kill(self) -> None:
        """Kill it by SIGKILL, like a crash."""
        self._child.kill()

    def restart(self) -> None:
        """Start it again, at the same address, and wait until it listens there, if it does.

        Raises:
            NotReady: it was stopped, has ended or is idle; the message has the end of its log.
        """
        self._child.restart()
        self._wait()

    def stop(self) -> None:
        """Stop it; calling it again does nothing."""
        if _running.get(self.name) is self:
            del _running[self.name]
        self._child.stop()

    def __repr__(self) -> str:
        at = f" at {self.url}" if self.url else ""
        return f"<{self.name}{at}: {'running' if self.alive else 'not running'}>"

    def _wait(self) -> None:
        if self._port:
            until_ready(lambda: listens(self._port), READY, self.name, self._child)


def on() -> None:
    """Register the cell magic `%%file`, which writes files of the program."""

    if shell := get_ipython():
        shell.register_magic_function(file, "cell")  # type: ignore[arg-type]


def start(command: str, *, name: str = "server", port: int = 0) -> Process:
    """Start the program that the cells have written; first stop a process of the same name.

    Args:
        command: a Python module and its arguments, as after `python -m`; `{port}` is the port. A
            command without it listens nowhere, and is not waited for.
        name: a name for the process.
        port: the port to listen on; 0 reuses its last one, so that an open page reconnects, or
            takes a free one.

    Raises:
        NotReady: it has ended or is idle; the message has the end of its log.
    """
    _need_files(command)
    if name in _running:
        _running[name].stop()
    if "{port}" in command:
        port = _ports[name] = port or _port_of(name)
    arguments = shlex.split(command.format(port=port))
    folder = Path(tempfile.mkdtemp(prefix="nochat-program-"))
    _write(folder)
    began = time.monotonic()
    argv = [sys.executable, "-m", *arguments]
    process = Process(name, port, start_child(argv, cwd=folder, log=folder / "log", remove=folder))
    _running[name] = process
    print(f"$ python -m {shlex.join(arguments)}", flush=True)
    try:
        process._wait()
    except BaseException:
        process.stop()
        raise
    if process.url:
        print(f"{name} listens at {process.url} after {time.monotonic() - began:.1f} s")
    return process


def stop() -> None:
    """Stop every process of the program; calling it again does nothing."""
    for process in list(_running.values()):
        process.stop()


def running() -> list[str]:
    """List the names of the running processes."""
    return [name for name, process in _running.items() if process.alive]


def _port_of(name: str) -> int:
    """Return the last port of a process if it is still free, else another one."""
    before = _ports.get(name, 0)
    return before if before and is_free(before) else free_port()


def _need_files(command: str) -> None:
    """Refuse to start a module that no cell has written."""
    for module in re.findall(r"(\w+):\w+", command):
        if error := _broken.get(f"{module}.py"):
            raise NotReady(
                f"{module}.py is not what you last wrote: its cell ended with a syntax error in "
                f"line {error.lineno} of the file ({error.msg}). Mend it, run it, then this cell"
            )
        if f"{module}.py" not in files:
            raise NotReady(
                f"{module}.py is not written yet: run the cell that begins with "
                f"`%%file {module}.py`, and those above it"
            )


def _write(folder: Path) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if CLIENT.exists():
        shutil.copy(CLIENT, folder)


def file(line: str, cell: str) -> None:
    """Make the rest of a cell a file of the program: the cell magic `%%file NAME`."""
    name = line.strip()
    if not re.fullmatch(r"\w+\.\w+", name):
        raise ValueError(f"%%file needs a plain file name, as in `%%file server.py`; not {name!r}")
    if name.endswith(".py"):
        _compile(cell, name)  # A syntax error shows here, not when the program starts.
    _broken.pop(name, None)
    files[name] = cell
    print(f"{name}: {len(cell.splitlines())} lines")


def _compile(cell: str, name: str) -> None:
    """Compile a file; after a syntax error, its former content stays for those that import it."""
    try:
        compile(cell, name, "exec")
    except SyntaxError as error:
        error.text = error.text or cell.splitlines()[(error.lineno or 1) - 1]
        _broken[name] = error
        raise
