"""A throw-away machine for a submission of a notebook that makes machines and containers.

It is a copy of this system, made in less than a second: an LXC container whose files are the
system's own, with its changes in memory. The student is root in it.
"""

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nochat.lab import surroundings
from nochat.lab.course.notebook import missing
from nochat.lab.exercise import elsewhere
from nochat.lab.folders import find_root
from nochat.lab.grading.runs import ENDS, MIB, Limits, Run, settings, watched
from nochat.lab.servers.lxc_network import lxc_bridge
from nochat.local import doctor
from nochat.local.processes import until

LIMITS = Limits(
    seconds=1800,
    cpu_seconds=3600,
    memory=4096 * MIB,
    processes=4000,
    disk=6144 * MIB,
    answer_seconds=300,
    check_seconds=600,
)
# The variables of this process that a machine has: the way out, and where images come from.
GIVEN = (
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"),
    *("NOCHAT_OFFLINE", "NOCHAT_DEBIAN", "BUILD_CA", *surroundings.OFFLINE),
)
MAKE_IMAGES = "from nochat.lab.course.execution import make_images\n\nmake_images()"
KINDS = ("monitor", "payload")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def available(master: Path) -> str:
    """Return why there can be no machine for a notebook here; "" if there can."""
    if os.geteuid() != 0:
        return "only root may make a throw-away machine: run the command by sudo"
    try:
        doctor.require("lxc")
    except doctor.Missing as error:
        return str(error)
    return missing(master)


def run(task: Mapping[str, Any], limits: Limits, cores: Sequence[int] = ()) -> Run:
    """Run a task in a machine of its own.

    Args:
        task: the proctor's task, without limits.
        limits: the limits; `memory` is without the disk, which is in memory, too.
        cores: the cores that it runs on; all if empty.

    Raises:
        NotAnswering: there is no network for it.
    """
    bridge = lxc_bridge(quiet=True).url
    used = cores or sorted(os.sched_getaffinity(0))
    name = f"nochat-grade-{os.getpid()}-{used[0]}"
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    argv = [str(find_root() / "tools" / "throw-away"), name, str(folder), bridge]
    argv += [_address(bridge, used[0]), str(limits.disk), str(limits.memory + limits.disk)]
    argv += [str(limits.processes), ",".join(map(str, used))]
    argv += ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in _environment().items())]
    argv += [sys.executable, "-I", "-m", "nochat.lab.grading.proctor"]
    steps = [["run", "", MAKE_IMAGES]] if surroundings.is_offline() else []
    whole = {**task, **settings(limits, used), "steps": [*steps, *task["steps"]]}
    try:
        return watched(argv, whole, limits)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_groups(name)


def _address(bridge: str, number: int) -> str:
    """Return an address at the upper end of a bridge's network, with its mask."""
    said = subprocess.run(
        ["ip", "-4", "-json", "address", "show", "dev", bridge],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (first,) = (each for each in json.loads(said)[0]["addr_info"] if each["scope"] == "global")
    network = ipaddress.ip_interface(f"{first['local']}/{first['prefixlen']}").network
    return f"{network[-2 - number]}/{network.prefixlen}"


def _environment() -> dict[str, str]:
    ours = surroundings.settled(os.environ)
    programs = [str(Path(sys.executable).parent), PATH]
    return {
        **{name: ours[name] for name in GIVEN if name in ours},
        "PATH": os.pathsep.join(programs),
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        elsewhere.IN_NOTEBOOK: "1",
    }


def _remove_groups(name: str) -> None:
    """Remove the control groups that LXC leaves behind when it is killed."""
    names = {f"lxc.{kind}.{name}" for kind in KINDS}
    groups = [
        Path(place, group)
        for place, inner, _ in os.walk("/sys/fs/cgroup")
        for group in names.intersection(inner)
    ]
    until(lambda: all(_removed(group) for group in groups), ENDS)


def _removed(group: Path) -> bool:
    """Remove a control group with those in it; return False while a process in it is ending."""
    with suppress(OSError):
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    return not group.exists()
