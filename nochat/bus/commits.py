"""Group commit: what waits for the disk is written together, by one thread, in order."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from nochat.bus.journal import Acknowledged, Contents, Journal, Record
from nochat.errors import BusError, NochatError

log = logging.getLogger(__name__)

MOST_ACKS = 1000  # messages acknowledged that may wait for the next one that is published


@dataclass
class PendingRecord:
    """A record in its turn, and whom to call when it is on the disk, or can't be."""

    record: Record | None
    done: Callable[[], None]
    failed: Callable[[BusError], None]


class Commits:
    """A writer of a journal that does not hold up the event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[PendingRecord] = []
        self._acks: dict[str, list[int]] = {}
        self._acked = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nochat-journal")

    async def open(self) -> Contents:
        """Read the journal; returns its contents.

        Raises:
            NochatError: it can't be used; says why.
        """
        try:
            await self._call(self._journal.open)
        except OSError as error:
            raise NochatError(
                f"the bus can't keep its journal in {self._journal.folder} ({error.strerror}); "
                "make room, or set NOCHAT_DATA_DIR to a writable folder"
            ) from None
        return self._journal.contents

    def put(
        self,
        record: Record | None,
        done: Callable[[], None],
        failed: Callable[[BusError], None] = lambda _: None,
    ) -> None:
        """Write a record in its turn, then call `done`; without a record, just wait for the turn.

        Args:
            record: what to write.
            done: called when this and all before it is on the disk.
            failed: called in its place when the record could not be written.
        """
        if record is None and not self._task:
            return done()
        self._waiting.append(PendingRecord(record, done, failed))
        self._begin()

    async def write(self, record: Record) -> None:
        """Write a record; returns when it is on the disk.

        Raises:
            BusError: it can't be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(record, lambda: written.set_result(None), written.set_exception)
        await written

    def acknowledge(self, queue: str, numbers: list[int]) -> None:
        """Note that a queue is done with messages: written with what comes next.

        After a crash before that, they are delivered once more.
        """
        self._acks.setdefault(queue, []).extend(numbers)
        self._acked += len(numbers)
        if self._acked > MOST_ACKS:
            self._begin()

    async def close(self) -> None:
        """Write everything that waits, and close the journal."""
        if self._task:
            await self._task
        with suppress(OSError):
            await self._call(self._journal.write, self._take_acks())
            await self._call(self._journal.close)
        self._thread.shutdown()

    def _begin(self) -> None:
        if not self._task:
            self._task = asyncio.create_task(self._run(), name="write the journal")

    async def _run(self) -> None:
        await asyncio.sleep(0)  # what else is published in this turn goes along
        while self._waiting or self._acked > MOST_ACKS:
            waiting, self._waiting = self._waiting, []
            acks = self._take_acks()
            records = [queued.record for queued in waiting if queued.record]
            try:
                if records or acks:
                    await self._call(self._journal.write, [*records, *acks])
            except Exception as error:
                self._refuse(waiting, acks, error)
            else:
                for pending in waiting:
                    pending.done()
        self._task = None

    def _take_acks(self) -> list[Acknowledged]:
        acks, self._acks, self._acked = self._acks, {}, 0
        return [Acknowledged(queue, numbers) for queue, numbers in acks.items()]

    def _refuse(
        self, waiting: list[PendingRecord], acks: list[Acknowledged], error: Exception
    ) -> None:
        for ack in acks:  # with what comes next, then
            self._acks.setdefault(ack.queue, [])[:0] = ack.numbers
        reason = getattr(error, "strerror", None) or repr(error)
        log.error("the bus can't write to %s: %s", self._journal.folder, reason)
        refused = BusError(
            f"the bus can't write to its disk ({reason}); make room, and the bus continues"
        )
        for pending in waiting:
            if pending.record:
                pending.failed(refused)
            else:
                pending.done()

    async def _call(self, function: Callable[..., None], *arguments: object) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, lambda: function(*arguments))
