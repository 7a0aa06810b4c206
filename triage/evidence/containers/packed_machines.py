"""Decoders of files that are compressed as a whole: forward only, with a bounded number of bytes at a time."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from triage.errors import ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.logical_stream import Readable

FEED = 1 << 16
MAX_MEMORY = 512 << 20
"""Memory that one LZMA decoder may take: a dictionary of 256 MiB and some."""
MAX_WINDOW = 1 << 28
_MARKS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))


def packing(head: bytes) -> str:
    """Name of the compression of a file by its first bytes, empty where it is none of these."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head[:1] == b"]" and head[1:5] in (b"\0\0\x80\0", b"\0\0\x40\0", b"\0\0\x10\0", b"\0\0\0\1", b"\0\0\0\4"):
        return "lzma"
    return ""


class ZstdMachine:
    """Zstandard with bounded output; restarts only at the beginning."""

    def __init__(self, source: Readable, offset: int) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise UnsupportedFormatError("Zstandard needs the package zstandard, which is not installed") from error
        self._source = source
        self._offset = offset
        library: Any = zstandard
        self._error: type[Exception] = library.ZstdError
        self._reader: Any = library.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
            self,
            read_across_frames=True,
        )

    def read(self, length: int = -1) -> bytes:
        """Compressed bytes, for the library."""
        data = self._source.read_at(self._offset, FEED if length < 0 else min(length, FEED))
        self._offset += len(data)
        return data

    def decode(self, length: int) -> bytes:
        """The next decoded bytes; empty only at the end."""
        try:
            return bytes(self._reader.read(length))
        except self._error as error:
            raise ReadFailedError(f"Zstandard data do not hold: {error}") from error


class Machine:
    """gzip, bzip2, xz and lzma: streams one behind the other, each to its own end.

    Args:
        source: The compressed file.
        offset: Where to begin in it.
        make: Makes a decoder for one stream.
        prime: Bytes to give to the first decoder in front of those of the file.
        stop: Where the file ends for this machine, -1 for its end.
    """

    def __init__(
        self, source: Readable, offset: int, make: Callable[[], Any], prime: bytes = b"", stop: int = -1
    ) -> None:
        self.source = source
        self.offset = offset
        self.make = make
        self.engine: Any = make()
        self.pending = prime
        self.stop = stop
        self.began = False

    def copy(self) -> Machine | None:
        """Another one at the same place; None where the decoder cannot be copied."""
        if not hasattr(self.engine, "copy"):
            return None
        twin = Machine(self.source, self.offset, self.make, self.pending, self.stop)
        twin.engine, twin.began = self.engine.copy(), self.began
        return twin

    def decode(self, length: int) -> bytes:
        """The next decoded bytes; empty only at the end."""
        while True:
            if self.engine.eof and not self._next_stream():
                return b""
            waiting = getattr(self.engine, "needs_input", True)
            if waiting and not self.pending and not self._feed():
                if not self.began:
                    return b""
                raise ReadFailedError("the compressed data break off", hint="the file may be cut short")
            try:
                data = self.engine.decompress(self.pending if waiting else b"", length)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise ReadFailedError(f"the compressed data do not hold: {error}") from error
            except MemoryError as error:
                raise ReadFailedError("the compressed data ask for too much memory") from error
            self.began = True
            if waiting:
                self.pending = getattr(self.engine, "unconsumed_tail", b"")
            if data:
                return bytes(data)

    def _feed(self) -> bool:
        want = FEED if self.stop < 0 else min(FEED, self.stop - self.offset)
        self.pending = self.source.read_at(self.offset, want) if want > 0 else b""
        self.offset += len(self.pending)
        return bool(self.pending)

    def _next_stream(self) -> bool:
        """Go on behind a stream that ended; False where nothing but zeros or other bytes follow."""
        rest = bytes(self.engine.unused_data)
        if self.stop >= 0:
            return False
        if not rest:
            if not self._feed():
                return False
            rest = self.pending
        self.offset -= len(rest)
        self.pending = b""
        head = self.source.read_at(self.offset, 1 << 12)
        padding = len(head) - len(head.lstrip(b"\0"))  # blocks of a tape, or the padding of xz
        if not packing(head[padding:]) or (padding and padding == len(head)):
            return False
        self.offset += padding
        self.engine, self.began = self.make(), False
        return True


def make_engine(name: str) -> Callable[[], Any]:
    """What makes a decoder for one stream of a compression."""
    if name == "gzip":
        return lambda: zlib.decompressobj(31)
    if name == "bzip2":
        return bz2.BZ2Decompressor
    shape = lzma.FORMAT_XZ if name == "xz" else lzma.FORMAT_ALONE
    return lambda: lzma.LZMADecompressor(shape, memlimit=MAX_MEMORY)
