"""The segments of an AD1 image as one stream, and the chunks of its files.

Source: see ``ad1.py``.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass

from triage.errors import ReadFailedError
from triage.evidence.containers.segment_file import SegmentFile
from triage.evidence.whole_streams import decompress_whole

MARGIN = 512
CACHED = 32
MAX_TABLE = 1 << 26
"""Chunks of one file."""
_FRAGMENT_SHIFT = 1 << 50


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """Header of one segment file.

    Attributes:
        number: From 1.
        count: Segments of the set.
        size: Bytes of a full segment, with its header.
        header: Bytes of the header.
    """

    number: int
    count: int
    size: int
    header: int


def read_segment_header(file: SegmentFile) -> SegmentHeader | None:
    """The header of a segment file; None where there is none."""
    head = file.read_at(0, 48)
    if len(head) < 44 or head[:16] != b"ADSEGMENTEDFILE\x00":
        return None
    number, count, size, header = struct.unpack_from("<IIQI", head, 0x18)
    if not 44 <= header <= 65536 or header > file.size:
        header = MARGIN
    return SegmentHeader(number, max(1, count), size if size < _FRAGMENT_SHIFT else 0, header)


class SegmentedStream:
    """The bodies of segments one behind the other; a missing one leaves a hole that cannot be read.

    Args:
        files: Segment files and their headers by number.
        count: Segments of the set.

    Attributes:
        missing: Bytes of missing segments, as far as the others tell.
    """

    def __init__(self, files: dict[int, tuple[SegmentFile, SegmentHeader]], count: int) -> None:
        self._parts: list[tuple[int, int, SegmentFile | None, int]] = []
        self.missing = 0
        full = max(max(header.size - header.header, 0) for _, header in files.values())
        full = full or max(file.size - header.header for file, header in files.values())
        start = 0
        for number in range(1, count + 1):
            if number in files:
                file, header = files[number]
                size = max(0, file.size - header.header)
                self._parts.append((start, size, file, header.header))
            else:
                size = full
                self.missing += size
                self._parts.append((start, size, None, 0))
            start += size
        self._starts = [part[0] for part in self._parts]
        self.size = start

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer only at the end.

        Raises:
            ReadFailedError: They lie in a missing segment, or the system cannot give them.
        """
        if offset < 0 or length <= 0 or offset >= self.size:
            return b""
        end = min(self.size, offset + length)
        index = bisect_right(self._starts, offset) - 1
        parts: list[bytes] = []
        while offset < end:
            start, size, file, header = self._parts[index]
            if file is None:
                raise ReadFailedError(f"segment {index + 1} of the image is missing", partial=b"".join(parts))
            data = file.read_at(header + offset - start, min(end, start + size) - offset)
            parts.append(data)
            offset += len(data)
            index += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)


class ChunkStream:
    """A file in chunks compressed by zlib.

    Args:
        source: Where the chunks lie.
        table: Place of the table of chunks; 0 where there is none.
        size: Bytes of the file.
        chunk_size: Decoded bytes in a chunk.
    """

    def __init__(self, source: SegmentedStream, table: int, size: int, chunk_size: int) -> None:
        self._source = source
        self._size = size
        self._chunk_size = chunk_size
        self._table = table
        self._places: tuple[int, ...] | None = None
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: With what could be read in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, self._chunk_size)
            try:
                piece = self._chunk(number)[inside : inside + end - offset]
            except ReadFailedError as error:
                raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(parts)) from error
            parts.append(piece)
            offset += len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of what was decoded; a second call does nothing."""
        self._chunks.clear()

    def _chunk(self, number: int) -> bytes:
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        places = self._read_table()
        expected = min(self._chunk_size, self._size - number * self._chunk_size)
        if number + 1 >= len(places):
            raise ReadFailedError(f"the table of chunks ends before chunk {number}")
        start, stop = places[number], places[number + 1]
        if not start < stop <= start + 2 * self._chunk_size + 65536:
            raise ReadFailedError(f"the place of chunk {number} does not hold")
        stored = self._source.read_at(start, stop - start)
        try:
            data = decompress_whole(zlib.decompressobj(), stored, self._chunk_size)
        except (zlib.error, EOFError) as error:
            if len(stored) != expected:  # a chunk may be stored as it is
                raise ReadFailedError(f"chunk {number} cannot be decompressed: {error}") from error
            data = stored
        if len(data) < expected:
            raise ReadFailedError(f"chunk {number} has {len(data)} bytes of {expected}")
        self._chunks[number] = data[:expected]
        if len(self._chunks) > max(2, min(CACHED, (8 << 20) // self._chunk_size)):
            self._chunks.popitem(last=False)
        return self._chunks[number]

    def _read_table(self) -> tuple[int, ...]:
        if self._places is None:
            wanted = (self._size + self._chunk_size - 1) // self._chunk_size
            head = self._source.read_at(self._table, 8) if self._table else b""
            count = int.from_bytes(head, "little") if len(head) == 8 else 0
            if not 0 < count <= MAX_TABLE or count < wanted or count * 8 > self._source.size:
                raise ReadFailedError(f"the table of chunks has {count} entries where {wanted} are needed")
            data = self._source.read_at(self._table + 8, 8 * (wanted + 1))
            self._places = struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])
        return self._places
