"""Compression methods of ZIP as decoders that give a bounded number of bytes at a time.

Specification: PKWARE APPNOTE.TXT 6.3.10, sections 4.4.5 and 5.8. Not read: deflate64, PPMd, and older ones.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from triage.errors import ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.logical_stream import Decoder, Readable

FEED = 1 << 16
MAX_DICTIONARY = 256 << 20
NAMES = {
    0: "stored", 1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode", 8: "deflate",
    9: "deflate64", 10: "DCL implode", 12: "bzip2", 14: "LZMA", 18: "TERSE", 19: "LZ77", 93: "Zstandard", 94: "MP3",
    95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES",
}  # fmt: skip
READ = frozenset({0, 8, 12, 14, 93, 95})


class EngineDecoder:
    """A decoder of the standard library over a part of a file.

    Args:
        source: The file.
        start: Where the compressed bytes begin.
        end: Where they end.
        engine: ``decompressobj`` or the like.

    Attributes:
        offset: Behind the last byte taken in.
    """

    def __init__(self, source: Readable, start: int, end: int, engine: Any) -> None:
        self._source = source
        self.offset = start
        self._end = end
        self._engine = engine
        self._pending = b""

    def read(self, length: int) -> bytes:
        """The next bytes; see :class:`~triage.evidence.containers.logical_stream.Decoder`."""
        while not self._engine.eof:
            waiting = getattr(self._engine, "needs_input", True)
            if waiting and not self._pending and not self._feed():
                flush = getattr(self._engine, "flush", None)
                rest = flush(length)[:length] if flush else b""
                raise ReadFailedError("the compressed data break off", partial=rest)
            try:
                data = self._engine.decompress(self._pending if waiting else b"", length)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise ReadFailedError(f"the compressed data do not hold: {error}") from error
            except MemoryError as error:
                raise ReadFailedError("the compressed data ask for too much memory") from error
            if waiting:
                self._pending = getattr(self._engine, "unconsumed_tail", b"")
            if data:
                return bytes(data)
        return b""

    def _feed(self) -> bool:
        want = min(FEED, self._end - self.offset)
        self._pending = self._source.read_at(self.offset, want) if want > 0 else b""
        self.offset += len(self._pending)
        return bool(self._pending)

    @property
    def used_to(self) -> int:
        """Where the compressed bytes end, once all was read."""
        return self.offset - len(self._engine.unused_data)


class StoredDecoder:
    """Bytes as they are.

    Args:
        source: The file.
        start: Where they begin.
        end: Where they end.
    """

    def __init__(self, source: Readable, start: int, end: int) -> None:
        self._source = source
        self._offset = start
        self._end = end

    def read(self, length: int) -> bytes:
        """The next bytes."""
        want = min(length, self._end - self._offset)
        data = self._source.read_at(self._offset, want) if want > 0 else b""
        self._offset += len(data)
        return data


class ZstdDecoder:
    """Zstandard over a part of a file.

    Args:
        source: The file.
        start: Where the compressed bytes begin.
        end: Where they end.

    Raises:
        UnsupportedFormatError: The package is not installed.
    """

    def __init__(self, source: Readable, start: int, end: int) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise UnsupportedFormatError("Zstandard needs the package zstandard, which is not installed") from error
        library: Any = zstandard
        self._errors = (library.ZstdError, MemoryError, ValueError)
        self._input = StoredDecoder(source, start, end)
        self._reader: Any = library.ZstdDecompressor(max_window_size=MAX_DICTIONARY).stream_reader(
            _Limited(self._input), read_across_frames=True
        )

    def read(self, length: int) -> bytes:
        """The next bytes."""
        try:
            return bytes(self._reader.read(length))
        except self._errors as error:
            raise ReadFailedError(f"the compressed data do not hold: {error}") from error


class _Limited:
    """Compressed bytes for a library that asks for any number of them."""

    def __init__(self, source: StoredDecoder) -> None:
        self._source = source

    def read(self, length: int = -1) -> bytes:
        """At most 64 KiB."""
        return self._source.read(FEED if length < 0 else min(length, FEED))


def make_decoder(source: Readable, start: int, end: int, method: int, size: int) -> Callable[[], Decoder]:
    """What makes a decoder that stands at the beginning of a member.

    Args:
        source: The archive.
        start: Where the compressed bytes begin.
        end: Where they end.
        method: Number of the method.
        size: Bytes of the content, as declared.

    Raises:
        UnsupportedFormatError: The method is not read.
        ReadFailedError: Its properties do not hold.
    """
    if method == 0:
        return lambda: StoredDecoder(source, start, end)
    if method == 8:
        return lambda: EngineDecoder(source, start, end, zlib.decompressobj(-15))
    if method == 12:
        return lambda: EngineDecoder(source, start, end, bz2.BZ2Decompressor())
    if method == 93:
        return lambda: ZstdDecoder(source, start, end)
    if method == 95:
        return lambda: EngineDecoder(
            source, start, end, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2 * MAX_DICTIONARY)
        )
    if method == 14:
        return _lzma(source, start, end, size)
    raise UnsupportedFormatError(
        f"compression method is not read: {NAMES.get(method, f'number {method}')}",
        hint="unpack the archive with another program and hand in the folder",
    )


def _lzma(source: Readable, start: int, end: int, size: int) -> Callable[[], Decoder]:
    """LZMA in ZIP (5.8.8): version, length of the properties, properties; then a raw stream."""
    head = source.read_at(start, 9)
    if len(head) < 9 or head[2:4] != b"\x05\0" or head[4] >= 225:
        raise ReadFailedError("the properties of LZMA do not hold")
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    if lc + lp > 4:
        raise ReadFailedError("the properties of LZMA do not hold")
    # A dictionary larger than what may come out is never needed, whatever the header claims.
    dictionary = max(4096, min(int.from_bytes(head[5:9], "little"), size, MAX_DICTIONARY))
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}]
    return lambda: _LzmaTail(
        EngineDecoder(source, start + 9, end, lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)), size
    )


class _LzmaTail:
    """Raw LZMA: it may have no end mark, the declared size ends it then."""

    def __init__(self, inner: EngineDecoder, size: int) -> None:
        self._inner = inner
        self._left = size

    def read(self, length: int) -> bytes:
        """The next bytes."""
        try:
            data = self._inner.read(length)
        except ReadFailedError:
            if self._left <= 0:
                return b""
            raise
        self._left -= len(data)
        return data
