"""Group commit: one thread writes all waiting records together, in order."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from nochat.bus.journal import Acknowledged, Contents, Journal, Record
from nochat.errors import BusError, NochatError

log = logging.getLogger(__name__)

MOST_ACKS = 1000  # acknowledgements that may wait for the next published message


@dataclass
class PendingRecord:
    """A record that waits for its turn, and the callbacks for a written and a failed record."""

    record: Record | None
    done: Callable[[], None]
    failed: Callable[[BusError], None]


class Commits:
    """A journal's writer that does not block the event loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[PendingRecord] = []
        self._acks: dict[str, list[int]] = {}
        self._acked = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nochat-journal")

    async def open(self) -> Contents:
        """Open the journal; return its contents.

        Raises:
            NochatError: it can't be used, for the reason in the message.
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
        """Write a record in its turn, then call `done`; without a record, only wait for the turn.

        Args:
            record: the record to write, or None.
            done: called when this record and all before it are on disk.
            failed: called instead if the record could not be written.
        """
        if record is None and not self._task:
            return done()
        self._waiting.append(PendingRecord(record, done, failed))
        self._begin()

    async def write(self, record: Record) -> None:
        """Write a record; return when it is on disk.

        Raises:
            BusError: it can't be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(record, lambda: written.set_result(None), written.set_exception)
        await written

    def acknowledge(self, queue: str, numbers: list[int]) -> None:
        """Record that a queue's messages were acknowledged, with the next write to the journal.

        If the process crashes before that, they are redelivered.
        """
        self._acks.setdefault(queue, []).extend(numbers)
        self._acked += len(numbers)
        if self._acked > MOST_ACKS:
            self._begin()

    async def close(self) -> None:
        """Write all waiting records, and close the journal."""
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
        await asyncio.sleep(0)  # let the other messages of this turn of the loop join the write
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
        for ack in acks:  # the next write includes them
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
