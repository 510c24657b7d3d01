"""The process in the sandbox that runs one submission: `python -I -m nochat.lab.grading.proctor`.

It reads its task from standard input, gives up all privileges, starts the judge and then the
notebook's kernel, and runs the cells in order. Its reports, one line of JSON each, go to standard
output; the kernel has neither of the two, and can't look into this process. In a throw-away machine
it keeps its privileges, as the notebook does; there the checks run in the kernel.
"""

import json
import os
import re
import resource
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from nochat.lab.exercise import elsewhere
from nochat.lab.grading.judge import close_memory, end_with_parent

SOCKET = "/tmp/judge"  # noqa: S108 (a folder of the sandbox alone)
WORK = Path("/tmp/work")  # noqa: S108
INTERRUPTED = 3.0  # seconds in which an interrupted cell has to end
STARTS = 60.0  # seconds in which judge and kernel have to start
MOST_SAID = 500
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Stuck(Exception):
    """A process that can't go on; the message says why."""


def give_up_privileges(task: dict[str, Any]) -> None:
    """Become the user of this sandbox, with its limits, for good."""
    if task["in_machine"]:  # its limits hold for all of it together
        return
    if (user := task["user"]) and os.getuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, limit in {
        "NPROC": task["processes"],
        "DATA": task["memory"],
        "CPU": task["cpu_seconds"],
        "CORE": 0,
        "MEMLOCK": 0,
    }.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
    os.sched_setaffinity(0, task["cores"])


def bury_until(last: int) -> None:
    """Collect what has ended, as the first process of a system must, until this one has."""
    while True:
        ended, _ = os.wait()
        if ended == last:
            return


class JudgesProcess:
    """The judge, which is started again if an answer holds it up."""

    def __init__(self, declared: list[str]) -> None:
        self._declared = declared
        self._process: subprocess.Popen[bytes] | None = None
        self._said = b""

    def start(self) -> None:
        """Start it, in place of the one before."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._said = b""
        command = [sys.executable, "-I", "-m", "nochat.lab.grading.judge", SOCKET]
        pipe = subprocess.PIPE
        # In a session of its own, so that an interrupt of the notebook does not end it.
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if not self.hear(STARTS):
            raise Stuck("The judge did not start.")
        self.order(declare=self._declared)

    def order(self, seconds: float = STARTS, **order: Any) -> dict[str, Any] | None:
        """Give an order, and return what it says to that in this time."""
        if self._process and self._process.stdin:
            try:
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                return None
        return self.hear(seconds)

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """Return the next report; None if it is late, or the judge is gone."""
        deadline = time.monotonic() + seconds
        while self._process and self._process.stdout and b"\n" not in self._said:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                return None
            if not (read := os.read(self._process.stdout.fileno(), 65536)):
                return None
            self._said += read
        line, _, self._said = self._said.partition(b"\n")
        return dict(json.loads(line)) if line else None


class Kernel:
    """The notebook's kernel."""

    def __init__(self, most_bytes: int) -> None:
        from jupyter_client.manager import KernelManager

        os.environ[elsewhere.VARIABLE] = SOCKET
        self._manager = KernelManager(transport="ipc")
        self._manager.connection_file = "/tmp/kernel.json"  # noqa: S108
        nowhere = subprocess.DEVNULL
        self._manager.start_kernel(cwd=str(WORK), stdin=nowhere, stdout=nowhere, stderr=nowhere)
        del os.environ[elsewhere.VARIABLE]
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=STARTS)
        self._most_bytes = most_bytes
        self.was_late = False  # whether a cell was interrupted because of its time

    def run(self, source: str, seconds: float, late: Callable[[], None] = lambda: None) -> str:
        """Run a cell; return its error, "" for none.

        Args:
            source: the cell.
            seconds: that it may take.
            late: is called before the cell is interrupted.

        Raises:
            Stuck: the kernel is gone, or can't be interrupted.
        """
        asked = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        deadline, printed, error, why = time.monotonic() + seconds, 0, "", ""
        while True:
            now = time.monotonic()
            if now > deadline:
                if why:
                    raise Stuck(f"{why} It could not be interrupted.")
                why = f"It took more than {seconds:.0f} s."
                self.was_late = True
                late()
                deadline = time.monotonic() + INTERRUPTED
                self._manager.interrupt_kernel()
            try:
                message = self._client.get_iopub_msg(timeout=0.2)
            except Empty:
                if not self._manager.is_alive():
                    raise Stuck("The notebook's process ended.") from None
                continue
            content = message["content"]
            printed += len(content.get("text", "")) + _length(content.get("data"))
            if printed > self._most_bytes and not why:
                why, deadline = "It printed too much.", now + INTERRUPTED
                self._manager.interrupt_kernel()
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "error":
                error = f"{content['ename']}: {content['evalue']}"
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return why or _ANSI.sub("", error)[:MOST_SAID]


def _length(data: Any) -> int:
    return sum(len(str(value)) for value in data.values()) if isinstance(data, dict) else 0


class Proctor:
    """One submission's run."""

    def __init__(self, task: dict[str, Any], reports: int) -> None:
        self.task, self._reports = task, reports
        self._judge = JudgesProcess(task["declared"])
        self._errors: dict[str, str] = {}

    def work(self) -> None:
        """Run all cells, then the hidden checks."""
        WORK.mkdir()
        (WORK.parent / "home").mkdir()
        self._judge.start()
        stuck, seen, kernel = "", set(), None
        try:
            kernel = Kernel(self.task["output"])
            self.report(started=True)
            for kind, key, source in self.task["steps"]:
                if kind == "check":
                    self._check(kernel, key, source)
                    seen.add(key)
                else:
                    seconds = self.task["answer_seconds" if kind == "exercise" else "cell_seconds"]
                    if error := kernel.run(source, seconds):
                        self._errors.setdefault(key, error)
        except Stuck as error:
            stuck = str(error)
        for key in self.task["keys"]:
            if key not in seen:
                self.report(verdict=key, passed=False, said=self._errors.get(key) or stuck)
        for key, source in self.task["hidden"].items():
            self._look_again(key, source, kernel)
        if kernel and kernel.was_late:
            self.report(late=True)
        self.report(done=True)

    def _look_again(self, key: str, source: str, kernel: Kernel | None) -> None:
        limit = self.task["check_seconds"]
        if self.task["in_machine"]:
            with suppress(Stuck):
                said = kernel.run(source, limit) if kernel else "It was not judged."
                self.report(hidden=key, passed=not said, said=said)
        elif heard := self._judge.order(limit, hidden=key, source=source):
            self.report(**heard)
        else:
            self._judge.start()

    def _check(self, kernel: Kernel, key: str, source: str) -> None:
        self._judge.order(expect=key)
        try:
            # The judge that is held up goes first, and with it what the cell waits for.
            error = kernel.run(source, self.task["check_seconds"], self._judge.start)
        except Stuck as stuck:
            if not (heard := self._judge.hear(0)):
                self.report(verdict=key, passed=False, said=self._errors.get(key) or str(stuck))
            else:
                self.report(**heard)
            self.task["keys"] = [other for other in self.task["keys"] if other != key]
            raise
        heard = self._judge.hear(0)
        if heard:
            self.report(**heard)
            return
        said = self._errors.get(key) or error or self._errors.get("") or "Nothing was judged."
        self.report(verdict=key, passed=False, said=said)

    def report(self, **content: Any) -> None:
        """Send a line to the teacher's process."""
        os.write(self._reports, json.dumps(content).encode() + b"\n")


def main() -> None:
    """Run the task that standard input brings."""
    task = json.loads(sys.stdin.buffer.readline())
    give_up_privileges(task)
    close_memory()
    end_with_parent()  # which is bubblewrap, outside; with this process ends all that is inside
    if child := os.fork():
        bury_until(child)
        return
    reports = os.dup(1)  # not inherited by the kernel
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    proctor = Proctor(task, reports)
    try:
        proctor.work()
    except Exception as error:
        proctor.report(stuck=f"{type(error).__name__}: {error}"[:MOST_SAID])


if __name__ == "__main__":
    main()
