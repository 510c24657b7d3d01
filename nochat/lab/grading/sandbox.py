"""A sandbox for one submission, made by bubblewrap, with limits.

In it there are the system and the installed project, read-only, and a small file system in memory.
The network is a loopback of its own. Nothing of it is left when it ends.
"""

import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import nochat
from nochat.local import doctor

MIB = 2**20
# Far from users of a system and of its containers. Each sandbox has another one: what is left of
# another's processes, while the kernel ends them, must not count as those of this one.
FIRST_USER, USERS = 0x6E000000, 0x1000000
LOOKS = 0.25  # seconds between two looks at what a sandbox uses
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
    """The outcome of a sandbox.

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


def available() -> str:
    """Return why there can be no sandbox here; "" if there can.

    Raises:
        Missing: bubblewrap is not installed.
    """
    ran = subprocess.run(
        [*command(Limits()), "/usr/bin/true"], capture_output=True, text=True, check=False
    )
    if not ran.returncode:
        return ""
    return (
        f"{ran.stderr.strip()}: this system forbids user namespaces. Run the command as root, or "
        "on Ubuntu load the profile bwrap-userns-restrict of apparmor-profiles; a container "
        "needs the option --security-opt seccomp=unconfined."
    )


def command(limits: Limits) -> list[str]:
    """Return the command line of a sandbox, up to the program in it."""
    argv = [str(doctor.require("bubblewrap")), "--die-with-parent", "--new-session"]
    # Not bubblewrap: a process of the same user could read its pipes and its environment.
    argv += ["--as-pid-1"]
    argv += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    argv += ["--unshare-cgroup-try", "--hostname", "localhost"]
    if os.getuid() == 0:  # the proctor becomes a user that nobody else is
        argv += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        argv += ["--unshare-user", "--disable-userns"]
    argv += ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path(f"/{name}").is_symlink():
            argv += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path(f"/{name}").exists():
            argv += ["--ro-bind", f"/{name}", f"/{name}"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for folder, size in {"/tmp": limits.disk, "/dev/shm": limits.disk // 8}.items():  # noqa: S108
        argv += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    argv += _project()
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    return [*argv, "--clearenv", *_environment()]


def _project() -> list[str]:
    """Bind what Python runs, and nothing that lies beside it: masters, tests, other submissions."""
    wanted = {Path(nochat.__file__).parent, Path(sys.prefix), Path(sys.base_prefix)}
    argv, made = [], {Path("/"), Path("/usr"), Path("/tmp")}  # noqa: S108
    for path in sorted(wanted):
        if path.is_relative_to("/usr") or any(path.is_relative_to(it) for it in wanted - {path}):
            continue
        for folder in [*reversed(path.parents)]:
            if folder not in made:
                argv += ["--perms", "0755", "--dir", str(folder)]
                made.add(folder)
        argv += ["--ro-bind", str(path), str(path)]
    return argv


def _environment() -> Iterator[str]:
    programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    variables = {
        "PATH": os.pathsep.join([*programs, "/usr/sbin", "/sbin"]),
        "HOME": "/tmp/home",  # noqa: S108
        "TMPDIR": "/tmp",  # noqa: S108
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": "/tmp/home/ipython",  # noqa: S108
        "JUPYTER_RUNTIME_DIR": "/tmp/home/runtime",  # noqa: S108
    }
    for name, value in variables.items():
        yield from ("--setenv", name, value)


def run(task: Mapping[str, Any], limits: Limits, cores: Sequence[int] = ()) -> Run:
    """Run a task in a sandbox.

    Args:
        task: the proctor's task, without limits.
        limits: the limits.
        cores: the cores that it runs on; all if empty.
    """
    whole = {
        **task,
        "user": FIRST_USER + secrets.randbelow(USERS),
        "processes": limits.processes,
        "memory": limits.memory,
        "cpu_seconds": limits.cpu_seconds,
        "output": limits.output,
        "answer_seconds": limits.answer_seconds,
        "check_seconds": limits.check_seconds,
        "cell_seconds": limits.check_seconds,
        "cores": list(cores or os.sched_getaffinity(0)),
    }
    argv = [*command(limits), sys.executable, "-I", "-m", "nochat.lab.grading.proctor"]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            came = _watch(process, json.dumps(whole).encode() + b"\n", limits)
        finally:
            process.kill()  # with it goes all that is in the sandbox
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        if not came.reports and not came.stopped:
            errors.seek(0)
            came.stopped = f"The sandbox failed: {errors.read(2000).decode(errors='replace')}"
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
    """Return which limit the processes of a sandbox exceed together; "" for none."""
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
