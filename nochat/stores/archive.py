"""Events in append-only compressed files, in a folder or a container of Azure Blob Storage.

A batch of events is one gzip member of JSON lines, and a file is a sequence of members. Only the
end of a file can be torn by a crash, since the writer starts a new one then.
"""

import asyncio
import gzip
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nochat.bus.codec import Decoder, encode, join
from nochat.errors import NochatError, Unavailable
from nochat.local.disk import make_private, sync_folder
from nochat.protocol.envelope import new_id
from nochat.protocol.events import Event

# Number, hour (UTC) and writer; the number alone determines the order.
NAME = re.compile(r"\d{8}-\d{8}T\d{2}-[0-9a-f]{8}\.ndjson\.gz")
MOST_APPENDS = 50_000  # to one file: the limit of blocks in an append blob
BLOCK = 4 * 2**20  # bytes of a block that every version of Azure's service accepts
CHUNK = 2**14
GZIP = 31  # zlib's name for the format


class Storage(Protocol):
    """A storage of files; `shown` is its name without secrets."""

    shown: str

    def append(self, name: str, data: bytes) -> None:
        """Append to a file, created if necessary; return when the data are safe."""

    def names(self) -> list[str]:
        """List the files, in the order of their creation."""

    def read(self, name: str) -> bytes:
        """Read a whole file."""


def open_storage(url: str) -> Storage:
    """Open the storage that a URL names.

    Args:
        url: `file:///folder`, or `https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS`.

    Raises:
        NochatError: it is neither, or its SDK is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Folder(Path(url2pathname(parts.path)))
    if parts.scheme in ("http", "https") and parts.path.strip("/"):
        return Blobs(url)
    shown = url.partition("?")[0].rpartition("@")[2]
    raise NochatError(
        f"{shown!r} is not a storage; write file:///folder, mongodb://host:port/database "
        "or https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS"
    )


def _in_order(names: Iterable[str]) -> list[str]:
    """Return the archive's files among names, in the order of their creation."""
    return sorted(name for name in names if NAME.fullmatch(name))


# ---- the two kinds of storage -------------------------------------------------------------------


class Folder:
    """A private folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.shown = path, str(path)

    def append(self, name: str, data: bytes) -> None:
        """Append to a file, synced to disk; if that fails, the file is unchanged.

        Raises:
            Unavailable: the folder can't be written, or the disk is full.
        """
        with self._explained():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.path / name
            if begins := not file.exists():
                make_private([self.path])
            with open(file, "ab", buffering=0, opener=_private) as opened:
                before = opened.tell()
                try:
                    _write(opened, data)
                except OSError:
                    opened.truncate(before)
                    if begins:
                        file.unlink()
                    raise
            if begins:
                sync_folder(self.path)

    def names(self) -> list[str]:
        """List the files, in the order of their creation."""
        with self._explained():
            return _in_order(file.name for file in self.path.glob("*.gz"))

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        with self._explained():
            return (self.path / name).read_bytes()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the replica's folder {self.path} can't be used ({error.strerror}); make room or "
                "correct its permissions, or set NOCHAT_REPLICA_URL to another storage"
            ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: Any, data: bytes) -> None:
    """Write all data, synced to disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


class Blobs:
    """A container of Azure Blob Storage, through its SDK; Azurite speaks the same protocol.

    Args:
        url: the container's URL, with a shared access signature (SAS) that permits read, add,
            create, write and list.

    Raises:
        NochatError: the SDK is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from azure.storage.blob import ContainerClient
        except ImportError:
            raise NochatError(
                "a replica in Azure needs its SDK: pip install 'nochat[azure]'"
            ) from None
        self.shown = url.partition("?")[0]
        # No retries: an append that succeeded despite an error would be stored twice.
        self._container = ContainerClient.from_container_url(
            url, connection_timeout=5, read_timeout=30, retry_total=0
        )

    def append(self, name: str, data: bytes) -> None:
        """Append to an append blob.

        Raises:
            Unavailable: Azure does not answer, or refuses.
        """
        from azure.core.exceptions import ResourceNotFoundError

        with self._explained():
            blob = self._container.get_blob_client(name)
            for start in range(0, len(data), BLOCK):
                block = data[start : start + BLOCK]
                try:
                    blob.append_block(block)
                except ResourceNotFoundError:
                    blob.create_append_blob()
                    blob.append_block(block)

    def names(self) -> list[str]:
        """List the files, in the order of their creation."""
        with self._explained():
            return _in_order(self._container.list_blob_names())

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        with self._explained():
            content: bytes = self._container.download_blob(name, retry_total=3).readall()
            return content

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            # Not the error's own text, which may contain the URL with the signature.
            reason = getattr(error, "error_code", None) or type(error).__name__
            raise Unavailable(
                f"the replica at {self.shown} can't be used ({getattr(reason, 'value', reason)}); "
                "is it there, and does the signature in NOCHAT_REPLICA_URL still let us read, "
                "add, create, write and list?"
            ) from None


# ---- writing and reading ------------------------------------------------------------------------


class Journal:
    """A writer of events to a storage, in order, with a new file each hour or when needed.

    Files are numbered, so that their order does not depend on several machines' clocks.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._name, self._hour, self._appends = "", "", 0

    async def record(self, events: Iterable[Event]) -> None:
        """Store events; return when they are safe.

        Raises:
            Unavailable: the storage can't be written now.
        """
        lines = b"".join(encode(event) + b"\n" for event in events)
        await asyncio.to_thread(self._append, gzip.compress(lines, mtime=0))

    def begin_anew(self) -> None:
        """Start a new file: another process may have continued, or the end may be torn."""
        self._name = ""

    def _append(self, data: bytes) -> None:
        hour = time.strftime("%Y%m%dT%H", time.gmtime())
        if not self._name or hour != self._hour or self._appends == MOST_APPENDS:
            names = self.storage.names()
            number = int(names[-1].partition("-")[0]) + 1 if names else 1
            self._name = f"{number:08}-{hour}-{new_id()[:8]}.ndjson.gz"
            self._hour, self._appends = hour, 0
        self.storage.append(self._name, data)
        self._appends += 1


@dataclass
class Contents:
    """The content of a file: events, and descriptions of unreadable parts."""

    events: list[Event] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def contents(data: bytes) -> Contents:
    """Decode a file's bytes; a torn end is skipped."""
    archived, decode = Contents(), Decoder()
    members, torn = _members(data)
    for member in members:
        decoded = decode(join(member.splitlines()))
        archived.events += [event for event in decoded.envelopes if isinstance(event, Event)]
        archived.unread += [reason for _, reason in decoded.malformed]
    if torn:
        archived.unread.append(
            f"{torn} bytes at the end, damaged or incomplete after a crash "
            "(a later file has its events)"
        )
    return archived


def _members(data: bytes) -> tuple[list[bytes], int]:
    """Decompress the complete gzip members; return them, and the number of bytes after them."""
    members: list[bytes] = []
    view, at = memoryview(data), 0
    with suppress(zlib.error):
        while at < len(data):
            inflate, parts, end = zlib.decompressobj(GZIP), [], at
            while not inflate.eof and end < len(data):
                parts.append(inflate.decompress(view[end : end + CHUNK]))
                end = min(end + CHUNK, len(data))
            if not inflate.eof:
                break
            members.append(b"".join(parts))
            at = end - len(inflate.unused_data)
    return members, len(data) - at
