"""The run of one submission in a process of its own, which is watched and ended in time."""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

MIB = 2**20
LOOKS = 0.25  # seconds between two looks at what a run uses
ENDS = 10.0  # seconds in which a process ends that is done
MOST_REPORTS = 2 * MIB


@dataclass(frozen=True)
class Limits:
    """Limits of one submission.

    Attributes:
        seconds: in all.
        cpu_seconds: of all its processes.
        memory: bytes of all its processes; files are limited by `disk`.
        processes: processes and threads.
        disk: bytes of its files, which are in memory.
        output: bytes that one cell may print.
        answer_seconds: of the cell that the student wrote.
        check_seconds: of a check.
    """

    seconds: float = 180.0
    cpu_seconds: int = 120
    memory: int = 2048 * MIB
    processes: int = 400
    disk: int = 512 * MIB
    output: int = 1 * MIB
    answer_seconds: float = 15.0
    check_seconds: float = 60.0


@dataclass
class Run:
    """The outcome of one submission.

    Attributes:
        reports: what the proctor said.
        seconds: how long it took.
        cpu_seconds: of all processes, as last seen.
        stopped: the limit that ended it, as a sentence; "" for none.
    """

    reports: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    stopped: str = ""

    @property
    def late(self) -> bool:
        """Return whether a cell was interrupted because it took too long."""
        return any(report.get("late") for report in self.reports)


def settings(limits: Limits, cores: Sequence[int]) -> dict[str, Any]:
    """Return what a proctor's task says of the limits."""
    return {
        "processes": limits.processes,
        "memory": limits.memory,
        "cpu_seconds": limits.cpu_seconds,
        "output": limits.output,
        "answer_seconds": limits.answer_seconds,
        "check_seconds": limits.check_seconds,
        "cell_seconds": limits.check_seconds,
        "cores": list(cores or os.sched_getaffinity(0)),
    }


def watched(argv: Sequence[str], task: Mapping[str, Any], limits: Limits) -> Run:
    """Start a proctor by a command line, give it its task, and hear its reports.

    Args:
        argv: the command line; all that it starts must end with its process.
        task: the proctor's task.
        limits: what ends it.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            came = _watch(process, json.dumps(task).encode() + b"\n", limits)
            if not came.stopped:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ENDS)
        finally:
            process.kill()  # with it goes all that it has started
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        if not came.reports and not came.stopped:
            errors.seek(0)
            came.stopped = f"It did not start: {errors.read(2000).decode(errors='replace')}"
    return came


def _watch(process: subprocess.Popen[bytes], task: bytes, limits: Limits) -> Run:
    came, began, said, looked = Run(), time.monotonic(), b"", 0.0
    if process.stdin is None or process.stdout is None:
        return came
    try:
        process.stdin.write(task)
        process.stdin.flush()
    except BrokenPipeError:
        return came
    while not came.stopped:
        came.seconds = time.monotonic() - began
        if came.seconds > limits.seconds:
            came.stopped = f"It took more than {limits.seconds:g} s."
        elif came.seconds - looked > LOOKS:
            came.stopped = _excess(process.pid, limits, came)
            looked = came.seconds
        if select.select([process.stdout], [], [], LOOKS)[0]:
            if not (read := os.read(process.stdout.fileno(), 65536)):
                break
            said += read
            if len(said) > MOST_REPORTS:
                came.stopped = "It reported too much."
        if said.endswith(b'{"done": true}\n'):
            break
    came.seconds = time.monotonic() - began
    came.reports = [*_parsed(said)]
    return came


def _parsed(said: bytes) -> Iterator[dict[str, Any]]:
    for line in said.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict):
            yield report


def _excess(pid: int, limits: Limits, came: Run) -> str:
    """Return which limit the processes of a run exceed together; "" for none."""
    memory, cpu, processes = 0, 0.0, 0
    try:
        inside = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return ""
    for process in inside:
        try:
            with process.oneshot():
                used, times = process.memory_info(), process.cpu_times()
        except psutil.Error:
            continue
        processes += 1
        memory += max(0, used.rss - used.shared)
        cpu += times.user + times.system + times.children_user + times.children_system
    came.cpu_seconds = max(came.cpu_seconds, cpu)
    if memory > limits.memory:
        return f"It used more than {limits.memory // MIB} MiB of memory."
    if cpu > limits.cpu_seconds:
        return f"It used more than {limits.cpu_seconds} s of processor time."
    if processes > limits.processes:
        return f"It started more than {limits.processes} processes."
    return ""
