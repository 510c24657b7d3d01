"""The overhead of containers: the whole chat as a process, in a Docker and in an LXC container.

For each: the seconds from the command until the page answers, and the memory of its processes then,
with their share of memory in common with others (PSS).
"""

import time
from dataclasses import dataclass

import httpx
import psutil

from nochat.lab import chat
from nochat.lab.containers import lxc, stack
from nochat.lab.waiting import until

SECONDS = 60.0  # until the page must answer


@dataclass(frozen=True)
class Weight:
    """The start time and memory of the chat.

    Attributes:
        seconds: time from the command until the page answered.
        memory: bytes in use then.
    """

    seconds: float
    memory: int


def process() -> Weight:
    """Measure the chat as a process of this computer, with the process of its embedded store.

    Raises:
        NotReady: it does not start.
    """
    began = time.monotonic()
    with chat.start() as running:
        seconds = _until_page(running.url, began)
        return Weight(seconds, sum(_memory(child.pid) for child in running.processes.values()))


def docker(image: str = "nochat") -> Weight:
    """Measure the chat in a Docker container of this computer; reading its memory needs root.

    Raises:
        docker.errors.DockerException: the image does not exist, or does not start.
        GaveUp: the page does not answer.
    """
    with stack.Mine() as mine:
        began = time.monotonic()
        container = stack.client().containers.run(
            image,
            detach=True,
            init=True,
            labels=dict([mine.label.split("=")]),
            ports={"8000/tcp": ("127.0.0.1", None)},
        )
        container.reload()
        [port] = container.ports["8000/tcp"]
        seconds = _until_page(f"http://127.0.0.1:{port['HostPort']}", began)
        return Weight(seconds, _memory(container.attrs["State"]["Pid"]))


def by_lxc(network: str, image: str = "nochat") -> Weight:
    """Measure the chat in an LXC container, without the time for unpacking.

    Args:
        network: its Docker network.
        image: its Docker image.

    Raises:
        LxcError: it does not start.
        GaveUp: the page does not answer.
    """
    with lxc.create("weighed", image, "up", network=network) as container:
        began = time.monotonic()
        container.start()
        seconds = _until_page(f"http://{container.address}:8000", began)
        return Weight(seconds, _memory(container.process()))


def _memory(process: int) -> int:
    """Return the memory of a process and its descendants, in bytes."""
    first = psutil.Process(process)
    family = [first, *first.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in family)


def _until_page(url: str, began: float) -> float:
    """Wait until the page answers; return the seconds since it began."""
    until(lambda: _answers(url), SECONDS, f"the page at {url}", pause=0.02)
    return time.monotonic() - began


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
