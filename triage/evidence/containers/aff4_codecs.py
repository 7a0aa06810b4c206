"""Compression of chunks in AFF4, and its symbolic streams.

Specification: AFF4 Standard v1.0, sections 5 and 6; the URIs that pyaff4 and Evimetry write.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from triage.errors import UnsupportedFormatError
from triage.evidence.whole_streams import decompress_whole

_TILE = 1 << 20


class Readable(Protocol):
    """Bytes by place; a range that cannot be had reads as zeros."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer only at the end."""
        ...


class Tiled:
    """A symbolic stream: the same pattern without end.

    Args:
        pattern: A byte, or words as for unreadable sectors.
    """

    def __init__(self, pattern: bytes) -> None:
        self._byte = pattern if len(pattern) == 1 else b""
        self._tile = (pattern * (_TILE // len(pattern) + 1))[:_TILE]

    def read_at(self, offset: int, length: int) -> bytes:
        """The pattern, begun anew every MiB."""
        if self._byte:
            return self._byte * length
        start = offset % _TILE
        repeats = (start + length) // _TILE + 1
        return (self._tile * repeats)[start : start + length]


def symbolic(name: str) -> Tiled | None:
    """The symbolic stream of a name without the schema: ``Zero``, ``SymbolicStreamFF`` ..., None where it is none."""
    if name == "Zero":
        return Tiled(b"\0")
    if name == "UnreadableData":
        return Tiled(b"UNREADABLEDATA")
    if name == "UnknownData":
        return Tiled(b"UNKNOWN")
    digits = name.removeprefix("SymbolicStream")
    if digits != name and len(digits) == 2:
        try:
            return Tiled(bytes.fromhex(digits))
        except ValueError:
            return None
    return None


def make_decompressor(method: str) -> Callable[[bytes, int], bytes]:
    """What decodes a chunk, given its bytes and the size that it has at most."""
    name = method.lower()
    if not name or "nullcompressor" in name or name.endswith("stored"):
        return lambda data, size: data
    if "rfc1950" in name or "zlib" in name:
        return lambda data, size: decompress_whole(zlib.decompressobj(), data, size)
    if "rfc1951" in name or "deflate" in name:
        return lambda data, size: decompress_whole(zlib.decompressobj(-15), data, size)
    if "snappy" not in name and "lz4" not in name:
        raise UnsupportedFormatError(f"compression of AFF4 that is not read: {method[:100]}")
    try:
        import cramjam
    except ImportError as error:
        raise UnsupportedFormatError("AFF4 with snappy or lz4 needs cramjam, which is not installed") from error
    library: Any = cramjam

    def unsnap(data: bytes, size: int) -> bytes:
        try:
            if library.snappy.decompress_raw_len(data) > size:
                raise ValueError("a chunk is longer than chunks are")
            return bytes(library.snappy.decompress_raw(data))
        except library.DecompressionError as error:
            raise ValueError(str(error)) from error

    def unlz4(data: bytes, size: int) -> bytes:
        try:
            return bytes(library.lz4.decompress_block(data, output_len=size))
        except library.DecompressionError as error:
            raise ValueError(str(error)) from error

    return unsnap if "snappy" in name else unlz4
