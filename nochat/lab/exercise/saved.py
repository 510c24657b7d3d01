"""An image as others get it: the stream of `docker save`, with each of its layers."""

import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from docker.models.images import Image

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"  # the first bytes of a layer that is compressed, as some engines keep it
ANY_HEADER = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Saved:
    """A look at the stream.

    Attributes:
        layers: the bytes of each layer, the lowest first.
        found: whether the secret is anywhere in them, or in the image's description.
    """

    layers: list[int]
    found: bool


def look(image: Image, secret: bytes) -> Saved:
    """Look at an image, and for some secret bytes in it."""
    sizes: dict[str, int] = {}
    order: list[str] = []
    found = False
    with tarfile.open(
        fileobj=io.BufferedReader(_Stream(image.save()), CHUNK), mode="r|"
    ) as archive:
        for member in archive:
            # An empty layer may be a link to another one.
            sizes[member.name] = member.size
            if not (file := archive.extractfile(member) if member.isfile() else None):
                continue
            if member.name == "manifest.json":
                order = json.load(file)[0]["Layers"]
            else:
                found = _contains(iter(partial(file.read, CHUNK), b""), secret) or found
    return Saved([sizes.get(name, 0) for name in order], found)


def _contains(chunks: Iterator[bytes], secret: bytes) -> bool:
    tail, found = b"", False
    for chunk in _plain(chunks):
        found = found or secret in tail + chunk
        tail = chunk[-len(secret) :]
    return found


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if not first.startswith(GZIP):
        yield first
        yield from chunks
        return
    unpack = zlib.decompressobj(ANY_HEADER)
    yield unpack.decompress(first)
    yield from map(unpack.decompress, chunks)


class _Stream(io.RawIOBase):
    """A file to read from, of pieces that come one after the other."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        """Return True; called by `io`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the piece goes; return how far."""
        while not self._rest and (piece := next(self._pieces, b"")):
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
