"""A sandbox for one submission, made by bubblewrap, with limits.

In it there are the system and the installed project, read-only, and a small file system in memory.
The network is a loopback of its own. Nothing of it is left when it ends.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nochat
from nochat.lab.grading.runs import Limits, Run, settings, watched
from nochat.local import doctor

# Far from users of a system and of its containers. Each sandbox has another one: what is left of
# another's processes, while the kernel ends them, must not count as those of this one.
FIRST_USER, USERS = 0x6E000000, 0x1000000


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
    user = FIRST_USER + secrets.randbelow(USERS)
    argv = [*command(limits), sys.executable, "-I", "-m", "nochat.lab.grading.proctor"]
    return watched(argv, {**task, **settings(limits, cores), "user": user}, limits)
