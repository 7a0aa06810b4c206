"""The segment table (SIT) and the summaries (SSA): which blocks of the main area are in use, and whose they were."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.f2fs.layout import BLOCKS_PER_SEGMENT, Checkpoint, Superblock, test_bit

ENTRY_BYTES = 74
_MAP_BYTES = BLOCKS_PER_SEGMENT // 8
FULL = b"\xff" * _MAP_BYTES
EMPTY = bytes(_MAP_BYTES)
NODE_SUMMARY = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the main area.

    Attributes:
        number: From 0.
        kind: 0-2 data (hot, warm, cold), 3-5 nodes, more for special ones.
        valid: A bit for each block in use, first block the highest bit of the first byte.
    """

    number: int
    kind: int
    valid: bytes


class SegmentTable:
    """State of the main area.

    Args:
        reader: Blocks of the volume.
        superblock: Where the tables lie.
        checkpoint: Which copies of their blocks count.
        journal: Entries that stand above the table's.
    """

    def __init__(
        self, reader: BlockReader, superblock: Superblock, checkpoint: Checkpoint, journal: dict[int, bytes]
    ) -> None:
        self._reader = reader
        self._superblock = superblock
        self._bitmap = checkpoint.sit_bitmap
        self._journal = journal

    def segments(self) -> Iterator[Segment]:
        """All segments in order.

        Raises:
            ReadFailedError: The table cannot be read.
        """
        per_block = self._reader.block_size // ENTRY_BYTES
        copy = self._superblock.sit_segments // 2 * BLOCKS_PER_SEGMENT
        for first in range(0, self._superblock.main_segments, per_block):
            index = first // per_block
            block = self._reader.block(self._superblock.sit + index + copy * test_bit(self._bitmap, index))
            for number in range(first, min(first + per_block, self._superblock.main_segments)):
                place = (number - first) * ENTRY_BYTES
                entry = self._journal.get(number) or block[place : place + ENTRY_BYTES]
                yield Segment(number, struct.unpack_from("<H", entry)[0] >> 10, entry[2 : 2 + _MAP_BYTES])

    def free_runs(self) -> Iterator[tuple[int, int]]:
        """Unused space of the main area, bytes in the volume, ascending.

        Raises:
            ReadFailedError: The table cannot be read.
        """
        start = length = 0
        for segment in self.segments():
            base = self._superblock.main + segment.number * BLOCKS_PER_SEGMENT
            for offset, count in clear_runs(segment.valid):
                if start + length == base + offset:
                    length += count
                    continue
                if length:
                    yield start * self._reader.block_size, length * self._reader.block_size
                start, length = base + offset, count
        if length:
            yield start * self._reader.block_size, length * self._reader.block_size

    def summary_nodes(self, segment: int) -> tuple[int, ...]:
        """Node number of each block, as the summary of a segment of nodes last said; empty for data.

        Raises:
            ReadFailedError: The summary cannot be read.
        """
        size = self._reader.block_size
        data = self._reader.bytes_at((self._superblock.ssa + segment) * size, size)
        if data[size - 5] != NODE_SUMMARY:
            return ()
        return tuple(struct.unpack_from("<I", data, 7 * index)[0] for index in range(BLOCKS_PER_SEGMENT))


def clear_runs(bitmap: bytes) -> list[tuple[int, int]]:
    """Runs of clear bits: first and count."""
    if bitmap == FULL:
        return []
    if bitmap == EMPTY:
        return [(0, len(bitmap) * 8)]
    text = bin(int.from_bytes(b"\1" + bitmap, "big"))[3:]
    runs: list[tuple[int, int]] = []
    start = text.find("0")
    while start >= 0:
        end = text.find("1", start)
        if end < 0:
            end = len(text)
        runs.append((start, end - start))
        start = text.find("0", end)
    return runs
