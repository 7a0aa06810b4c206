"""The streams of AFF4: image streams of compressed chunks, maps over other streams, symbolic ones.

An image stream is cut into bevies, each with an index of its chunks. A chunk that cannot be decoded reads as zeros and
becomes a Problem with its range.

Specification: AFF4 Standard v1.0, sections 4 (map), 5 (image stream) and 6 (symbolic streams).
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.containers.aff4_codecs import Readable, Tiled, make_decompressor
from triage.evidence.containers.bad_ranges import BadMap
from triage.evidence.containers.bad_ranges import Damaged as HasBad
from triage.model.stream import Stream

MAX_CHUNK = 64 << 20
MAX_SIZE = 1 << 62
MAX_MAP = 1 << 30
"""Bytes of a map; 28 each entry."""
CACHED_BYTES = 8 << 20
MAX_INDEXES = 16
_ENTRY = struct.Struct("<QQQI")

Damaged = Callable[[int, int, str], None]


class ImageStream:
    """A stream of chunks.

    Args:
        urn: Of the stream; its segments are named after it.
        segment: Finds a segment.
        size: Bytes of the stream.
        chunk_size: Bytes in a chunk.
        per_bevy: Chunks in a segment.
        method: Compression as its URI.
        damaged: Called with offset, length and words for a range that cannot be had.

    Attributes:
        bad: Ranges that could not be had so far.

    Raises:
        UnsupportedFormatError: The compression is not read.
        CorruptStructureError: A size is impossible.
    """

    def __init__(
        self, urn: str, segment: Callable[[str], Stream | None], size: int, chunk_size: int, per_bevy: int,
        method: str, damaged: Damaged,
    ) -> None:  # fmt: skip
        if not 0 < chunk_size <= MAX_CHUNK or not 0 < per_bevy <= 1 << 24 or not 0 <= size < MAX_SIZE:
            raise CorruptStructureError(f"impossible image stream: {size} bytes, {per_bevy} chunks of {chunk_size}")
        self.bad = BadMap()
        self._urn = urn
        self._segment = segment
        self._size = size
        self._chunk_size = chunk_size
        self._per_bevy = per_bevy
        self._decode = make_decompressor(method)
        self._damaged = damaged
        self._bevies: OrderedDict[int, tuple[Stream | None, list[tuple[int, int]]]] = OrderedDict()
        self._chunks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. What cannot be decoded reads as zeros."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(self._size, offset + length)
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, self._chunk_size)
            piece = self._chunk(number)[inside : inside + end - offset]
            parts.append(piece)
            offset += len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of what was decoded; a second call does nothing."""
        self._chunks.clear()
        self._bevies.clear()

    def _chunk(self, number: int) -> bytes:
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        start = number * self._chunk_size
        expected = min(self._chunk_size, self._size - start)
        try:
            data = self._read_chunk(number, expected)
        except EvidenceError as error:
            data = self._lost(start, expected, error.message)
        except (zlib.error, EOFError, ValueError, MemoryError, OSError) as error:
            data = self._lost(start, expected, f"it cannot be decompressed: {error}")
        self._chunks[number] = data
        while len(self._chunks) > max(1, CACHED_BYTES // self._chunk_size):
            self._chunks.popitem(last=False)
        return data

    def _read_chunk(self, number: int, expected: int) -> bytes:
        bevy, index = divmod(number, self._per_bevy)
        stream, entries = self._bevy(bevy)
        if stream is None or index >= len(entries):
            raise CorruptStructureError(f"no such chunk in segment {bevy:08d}")
        offset, length = entries[index]
        if length > 2 * self._chunk_size + 65536 or offset + length > stream.size:
            raise CorruptStructureError(f"its place lies outside segment {bevy:08d}")
        stored = stream.read_at(offset, length)
        # Chunks that would not become shorter are stored as they are.
        data = stored if len(stored) == self._chunk_size else self._decode(stored, self._chunk_size)
        if len(data) < expected:
            raise CorruptStructureError(f"it has {len(data)} bytes of {expected}")
        return data[:expected]

    def _bevy(self, number: int) -> tuple[Stream | None, list[tuple[int, int]]]:
        """A segment and where the chunks in it are."""
        if number in self._bevies:
            self._bevies.move_to_end(number)
            return self._bevies[number]
        name = f"{self._urn}/{number:08d}"
        stream = self._segment(name)
        index = self._segment(name + ".index") or self._segment(name + "/index")
        entries: list[tuple[int, int]] = []
        if stream is not None and index is not None:
            left = (self._size - number * self._per_bevy * self._chunk_size + self._chunk_size - 1) // self._chunk_size
            entries = _index(index, min(left, self._per_bevy), stream.size)
        self._bevies[number] = (stream, entries)
        if len(self._bevies) > MAX_INDEXES:
            self._bevies.popitem(last=False)
        return self._bevies[number]

    def _lost(self, start: int, length: int, words: str) -> bytes:
        self.bad.add(start, start + length, words)
        self._damaged(start, length, words)
        return bytes(length)


def _index(index: Stream, chunks: int, bevy_size: int) -> list[tuple[int, int]]:
    """Places of chunks: 64-bit offset and 32-bit length each; before the standard, 32-bit offsets only."""
    data = index.read_at(0, min(index.size, 12 * chunks))
    if len(data) >= 12 * chunks or len(data) != 4 * chunks:
        return [(offset, length) for offset, length in struct.iter_unpack("<QI", data[: len(data) // 12 * 12])]
    offsets = [value for (value,) in struct.iter_unpack("<I", data)]
    ends = [*offsets[1:], bevy_size]
    return [(offset, max(0, end - offset)) for offset, end in zip(offsets, ends, strict=True)]


class MapStream:
    """A stream put together of ranges of others.

    Args:
        data: The map: entries of offset, length, offset in the target, number of the target.
        targets: By number; None where one is missing.
        gap: What reads where no entry is.
        size: Bytes of the stream.
        damaged: Called with offset, length and words for ranges of missing targets.

    Attributes:
        bad: Ranges that could not be had so far, those of the targets among them.

    Raises:
        CorruptStructureError: The map does not hold.
    """

    def __init__(self, data: bytes, targets: list[Readable | None], gap: Readable, size: int, damaged: Damaged) -> None:
        if not 0 <= size < MAX_SIZE:
            raise CorruptStructureError(f"impossible size of a map: {size}")
        self.bad = BadMap()
        self._size = size
        self._targets = targets
        self._gap = gap
        self._damaged = damaged
        entries = sorted(_ENTRY.iter_unpack(data[: len(data) // _ENTRY.size * _ENTRY.size]))
        self._starts: list[int] = []
        self._entries: list[tuple[int, int, int, int]] = []
        end = 0
        for start, length, target_offset, target in entries:
            if start < end:
                raise CorruptStructureError(f"entries of the map overlap at {start}")
            if target >= len(targets) or start + length > MAX_SIZE or target_offset + length > MAX_SIZE:
                raise CorruptStructureError(f"an entry of the map does not hold, at {start}")
            if length:
                self._starts.append(start)
                self._entries.append((start, length, target_offset, target))
                end = start + length

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return self._size

    def _pieces(self, offset: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Place, length, place in the target, number of the target (-1 for a gap)."""
        index = max(0, bisect_right(self._starts, offset) - 1)
        while offset < end:
            entry = self._entries[index] if index < len(self._entries) else None
            if entry is None or entry[0] >= end:
                yield offset, end - offset, offset, -1
                return
            start, length, target_offset, target = entry
            if start > offset:
                yield offset, start - offset, offset, -1
                offset = start
            stop = min(end, start + length)
            if stop > offset:
                yield offset, stop - offset, target_offset + offset - start, target
                offset = stop
            index += 1

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. What a missing target holds reads as zeros."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        parts: list[bytes] = []
        for place, size, inside, number in self._pieces(offset, min(self._size, offset + length)):
            target = self._gap if number < 0 else self._targets[number]
            data = target.read_at(inside, size) if target is not None else b""
            if len(data) < size:
                words = "the stream behind it is missing" if target is None else "the stream behind it is too short"
                self.bad.add(place + len(data), place + size, words)
                self._damaged(place + len(data), size - len(data), words)
                data += bytes(size - len(data))
            if isinstance(target, HasBad) and target.bad:
                for found in target.bad.overlapping(inside, size):
                    start = place + found.offset - inside
                    self.bad.add(start, start + found.length, found.cause)
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that are no zeros by the map, as ``(offset, length)`` ascending."""
        for place, size, _, number in self._pieces(max(0, offset), min(self._size, offset + length)):
            target = self._gap if number < 0 else self._targets[number]
            if not isinstance(target, Tiled):
                yield place, size

    def symbolic_ranges(self, wanted: Readable) -> Iterator[tuple[int, int]]:
        """Ranges that one target gives, as ``(offset, length)``."""
        for start, length, _, target in self._entries:
            if self._targets[target] is wanted:
                yield start, length

    def close(self) -> None:
        """Nothing to release: targets belong to the container."""
