"""Reports of all instances, and their collection for the management page."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from nochat.bus import Bus
from nochat.errors import NochatError
from nochat.protocol.envelope import type_of
from nochat.protocol.events import ServiceReported
from nochat.runtime.background import end

log = logging.getLogger(__name__)

OURS = type_of(ServiceReported)  # the reports themselves, which counts leave out
EVERY = 2.0  # seconds between two reports
SILENCE = 10.0  # seconds without a report after which an instance counts as gone
# Seconds for which its counts are still kept apart: after an outage of the broker it may return.
REMEMBERED = 3600.0


def report(bus: Bus) -> ServiceReported:
    """Return a report with the counters of a bus's service, and its process's resources."""
    tally = bus.tally
    return ServiceReported(
        service=tally.service,
        instance=tally.instance,
        host=socket.gethostname(),
        pid=os.getpid(),
        since=tally.since,
        handled=tally.handled,
        published=tally.published,
        failed=sum(tally.failed.values()),
        memory=_resident(),
        cpu=time.process_time(),
        store=tally.store,
    )


@contextlib.asynccontextmanager
async def reporting(bus: Bus) -> AsyncIterator[None]:
    """Publish reports until the block ends."""

    async def publish() -> None:
        while True:
            try:
                await bus.publish(report(bus))
            except NochatError:
                pass  # the next report includes this one
            except Exception:
                log.exception("%s can't send its report", bus.name)
            await asyncio.sleep(EVERY)

    task = asyncio.create_task(publish(), name=f"{bus.name}: report")
    try:
        yield
    finally:
        await end(task)


def _resident() -> int:
    """Return this process's memory in bytes; if unknown, its peak."""
    with contextlib.suppress(OSError):
        return (
            int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
            * resource.getpagesize()
        )
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


class Watch:
    """The instances with recent reports, and the number of published messages by type."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, ServiceReported]] = {}
        self._past: Counter[str] = Counter()  # published by removed instances

    def heard(self, said: ServiceReported) -> None:
        """Store a report."""
        now = self._clock()
        self._last[said.instance] = now, said
        for name, (at, last) in list(self._last.items()):
            if at < now - REMEMBERED:
                self._past.update(last.published)
                del self._last[name]

    def services(self) -> list[dict[str, Any]]:
        """List the services with their active instances, ready for JSON."""
        names = {said.service for said in self._active()}
        return [
            {
                "name": name,
                "store": self.store(name),
                "instances": [_view(instance) for instance in self.instances(name)],
            }
            for name in sorted(names)
        ]

    def instances(self, service: str) -> list[ServiceReported]:
        """Return the last reports of a service's active instances, in the order of their start."""
        return sorted((said for said in self._active() if said.service == service), key=_age)

    def _active(self) -> list[ServiceReported]:
        latest = self._clock() - SILENCE
        return [last for at, last in self._last.values() if at >= latest]

    def names(self) -> set[str]:
        """List the services that have reported, including silent ones."""
        return {last.service for _, last in self._last.values()}

    def store(self, service: str) -> str:
        """Return the product that stores a service's data, by its last report, or ""."""
        said = [last for last in self._last.values() if last[1].service == service]
        return max(said, key=lambda last: last[0])[1].store if said else ""

    def events(self) -> list[dict[str, Any]]:
        """Count the published messages of all instances by type, the highest first.

        Counts never decrease, and leave out the reports themselves.
        """
        total = self._past.copy()
        for _, last in self._last.values():
            total.update(last.published)
        total.pop(OURS, None)
        return [{"type": name, "count": count} for name, count in total.most_common()]


def _age(said: ServiceReported) -> tuple[float, str]:
    return said.since, said.instance


def _sum(counts: dict[str, int]) -> int:
    return sum(count for name, count in counts.items() if name != OURS)


def _view(said: ServiceReported) -> dict[str, Any]:
    return {
        "instance": said.instance,
        "host": said.host,
        "pid": said.pid,
        "since": said.since,
        "at": said.at,
        "handled": _sum(said.handled),
        "published": _sum(said.published),
        "failed": said.failed,
        "memory": said.memory,
        "cpu": said.cpu,
    }
