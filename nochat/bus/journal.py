"""An append-only journal on disk: the messages that are confirmed and not yet acknowledged.

The files `00000001.journal`, `00000002.journal` … only grow. Each is a sequence of records with
length and checksum. A crash can tear only the last record of the last file. When most of the
journal is no longer needed, the live records of the oldest file are appended to the newest, and
the oldest is deleted. All functions here block: `commits.py` calls them from a thread.
"""

import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from nochat.bus.routing import Queue
from nochat.errors import NochatError
from nochat.local.disk import make_private, sync_folder

log = logging.getLogger(__name__)

HEAD = struct.Struct("<II")  # of a record: length and CRC-32 of its body
FILE_SIZE = 8 * 2**20  # bytes after which a new file is started
OVERHEAD = 200  # bytes of a message beside its body, at most: names and headers


class Declared(msgspec.Struct, frozen=True, array_like=True, tag="queue"):
    """A durable queue was declared."""

    queue: Queue


class PublishedMessage(msgspec.Struct, array_like=True, tag="message"):
    """A message that was published.

    `number` is its place in the order; `queues` are the queues that hold it; `crashes` counts the
    crashes of this process while it was queued.
    """

    number: int
    queues: list[str]
    id: str
    headers: dict[str, str]
    body: bytes
    crashes: int = 0


class Acknowledged(msgspec.Struct, frozen=True, array_like=True, tag="ack"):
    """A queue's messages were acknowledged."""

    queue: str
    numbers: list[int]


class Attempts(msgspec.Struct, frozen=True, array_like=True, tag="attempts"):
    """The number of attempts at a message that started and did not end; 0 after a success."""

    key: str
    count: int


class Started(msgspec.Struct, frozen=True, array_like=True, tag="start"):
    """The journal was opened; `clean` is false if the process crashed before."""

    clean: bool


class Closed(msgspec.Struct, frozen=True, array_like=True, tag="close"):
    """The journal was closed."""


Record = Declared | PublishedMessage | Acknowledged | Attempts | Started | Closed


@dataclass
class Contents:
    """The state that the records of a journal add up to.

    Attributes:
        queues: the durable queues, by name.
        messages: the messages that a queue holds, by number.
        attempts: the attempts that started and did not end, by the message's key.
        size: bytes of a journal with this state alone, about.
        closed: whether the last record is `Closed`.
    """

    queues: dict[str, Queue] = field(default_factory=dict)
    messages: dict[int, PublishedMessage] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    size: int = 0
    closed: bool = True

    def apply(self, record: Record) -> None:
        """Apply the next record to the state."""
        self.closed = False
        match record:
            case Declared(queue):
                self.queues[queue.name] = queue
            case PublishedMessage():
                if record.number not in self.messages:
                    self.size += len(record.body) + OVERHEAD
                self.messages[record.number] = record
            case Acknowledged(queue, numbers):
                for number in numbers:
                    self._release(queue, number)
            case Attempts(key, 0):
                self.attempts.pop(key, None)
            case Attempts(key, count):
                self.attempts[key] = count
            case Started(clean=False):
                for message in self.messages.values():
                    message.crashes += 1
            case Closed():
                self.closed = True

    def _release(self, queue: str, number: int) -> None:
        message = self.messages.get(number)
        if not message:
            return
        message.queues = [name for name in message.queues if name != queue]
        if not message.queues:
            self.size -= len(message.body) + OVERHEAD
            del self.messages[number]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def _framed(record: Record) -> bytes:
    body = _encode(record)
    return HEAD.pack(len(body), zlib.crc32(body)) + body


class Journal:
    """The journal in a folder that no other process may write to.

    Attributes:
        contents: the state after all records.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.contents = folder, Contents()
        self._sizes: dict[int, int] = {}  # bytes, by the file's number, the oldest first
        self._file_of: dict[int, int] = {}  # the file's number, by the message's
        self._descriptor = -1
        self._torn = False  # a write failed, and a part of it may be in the file

    def open(self) -> None:
        """Read the journal, and start a new file.

        Raises:
            NochatError: a file is damaged.
            OSError: a file can't be read or written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_private([self.folder])
        numbers = sorted(int(path.stem) for path in self.folder.glob("*.journal"))
        for number in numbers:
            for record in self._read(number, is_last=number == numbers[-1]):
                self._apply(record, number)
        closed = self.contents.closed
        self._begin_file()
        self._append([Started(closed)])
        self._tidy()

    def write(self, records: Iterable[Record]) -> None:
        """Write records; return when they are on disk. If that fails, none of them counts.

        Raises:
            OSError: they can't be written, for example because the disk is full.
        """
        records = list(records)
        if self._current_size > FILE_SIZE:
            self._begin_file()
            self._tidy()
        self._append(records)

    def close(self) -> None:
        """Record a clean shutdown, and close the file."""
        self._append([Closed()])
        os.close(self._descriptor)

    # ---- files ----------------------------------------------------------------------------------

    @property
    def _current(self) -> int:
        return next(reversed(self._sizes))

    @property
    def _current_size(self) -> int:
        return self._sizes[self._current]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}.journal"

    def _read(self, number: int, *, is_last: bool) -> Iterator[Record]:
        path, at = self._path(number), 0
        data = path.read_bytes()
        while body := _body(data, at):
            yield _decode(body)
            at += HEAD.size + len(body)
        self._sizes[number] = at
        if at == len(data):
            return
        if not is_last:
            raise NochatError(
                f"{path} is damaged at byte {at}; restore it, or move it away and lose the "
                "messages in it that were not handled yet"
            )
        log.warning("the last %d bytes of %s are incomplete after a crash", len(data) - at, path)
        os.truncate(path, at)

    def _begin_file(self) -> None:
        number = self._current + 1 if self._sizes else 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(self._path(number), flags, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._sizes[number], self._torn = descriptor, 0, False
        sync_folder(self.folder)
        # Records without a number are in every file, so that any older file can be deleted.
        queues: list[Record] = [Declared(queue) for queue in self.contents.queues.values()]
        attempts = [Attempts(key, count) for key, count in self.contents.attempts.items()]
        self._append([*queues, *attempts])

    def _append(self, records: list[Record]) -> None:
        size = self._current_size
        try:
            if self._torn:
                os.ftruncate(self._descriptor, size)
            self._torn = True
            rest = memoryview(b"".join(map(_framed, records)))
            end = size + len(rest)
            while rest:
                size += (written := os.pwrite(self._descriptor, rest, size))
                rest = rest[written:]
            os.fdatasync(self._descriptor)
        except BaseException:
            self._cut_off()
            raise
        self._torn = False
        self._sizes[self._current] = end
        for record in records:
            self._apply(record, self._current)

    def _cut_off(self) -> None:
        """Truncate a failed write; if that fails too, the next write truncates first."""
        try:
            os.ftruncate(self._descriptor, self._current_size)
            self._torn = False
        except OSError as error:
            log.warning("an incomplete record stays in %s: %s", self._path(self._current), error)

    def _apply(self, record: Record, number: int) -> None:
        self.contents.apply(record)
        if isinstance(record, PublishedMessage):
            self._file_of[record.number] = number

    def _tidy(self) -> None:
        """Delete the oldest files as long as less than half of the journal is in use."""
        live = self.contents.messages
        self._file_of = {number: file for number, file in self._file_of.items() if number in live}
        while sum(self._sizes.values()) > 2 * (self.contents.size + FILE_SIZE):
            oldest = next(iter(self._sizes))
            if oldest == self._current:
                return
            self._append([live[number] for number, file in self._file_of.items() if file == oldest])
            self._path(oldest).unlink()
            del self._sizes[oldest]


def _body(data: bytes, at: int) -> bytes:
    """Return the record at an offset, or nothing if it is torn or the data ends."""
    if len(data) < at + HEAD.size:
        return b""
    length, checksum = HEAD.unpack_from(data, at)
    body = data[at + HEAD.size : at + HEAD.size + length]
    return body if len(body) == length and zlib.crc32(body) == checksum else b""
