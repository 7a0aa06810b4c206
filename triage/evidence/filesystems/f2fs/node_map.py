"""The node address table (NAT): where the newest block of each node lies, the journal of the checkpoint included."""

from __future__ import annotations

import struct

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.f2fs.layout import (
    BLOCKS_PER_SEGMENT,
    CP_COMPACT_SUMMARY,
    Checkpoint,
    Superblock,
    test_bit,
)

_ENTRY = struct.Struct("<BII")
_JOURNAL_ENTRY = struct.Struct("<IBII")
_SUMMARY_BYTES = 7
_FOOTER_BYTES = 5


class Journals:
    """What the checkpoint holds of both tables that their blocks do not yet.

    Args:
        reader: Blocks of the volume.
        checkpoint: The state that counts.

    Attributes:
        nat: Address by node.
        sit: Entry of the segment table by segment.
        problems: What could not be read.
    """

    def __init__(self, reader: BlockReader, checkpoint: Checkpoint) -> None:
        self.nat: dict[int, int] = {}
        self.sit: dict[int, bytes] = {}
        self.problems: list[EvidenceError] = []
        size = reader.block_size
        entries = size // 8 * _SUMMARY_BYTES
        length = size - _FOOTER_BYTES - entries
        start = checkpoint.address + checkpoint.summaries
        try:
            if checkpoint.flags & CP_COMPACT_SUMMARY:
                block = reader.block(start)
                self._read_nat(block[:length])
                self._read_sit(block[length : 2 * length])
            else:
                self._read_nat(reader.block(start)[entries : entries + length])
                self._read_sit(reader.block(start + 2)[entries : entries + length])
        except EvidenceError as error:
            self.problems.append(error)

    def _read_nat(self, journal: bytes) -> None:
        (count,) = struct.unpack_from("<H", journal)
        if 2 + count * _JOURNAL_ENTRY.size > len(journal):
            self.problems.append(CorruptStructureError(f"the journal of the node table claims {count} entries"))
            return
        for index in range(count):
            node, _, _, address = _JOURNAL_ENTRY.unpack_from(journal, 2 + index * _JOURNAL_ENTRY.size)
            self.nat[node] = address

    def _read_sit(self, journal: bytes) -> None:
        (count,) = struct.unpack_from("<H", journal)
        if 2 + count * 78 > len(journal):
            self.problems.append(CorruptStructureError(f"the journal of the segment table claims {count} entries"))
            return
        for index in range(count):
            place = 2 + index * 78
            (segment,) = struct.unpack_from("<I", journal, place)
            self.sit[segment] = journal[place + 4 : place + 78]


class NodeMap:
    """Where nodes lie.

    Args:
        reader: Blocks of the volume.
        superblock: Where the table lies.
        checkpoint: Which copies of its blocks count.
        journal: Addresses that stand above the table's.
    """

    def __init__(
        self, reader: BlockReader, superblock: Superblock, checkpoint: Checkpoint, journal: dict[int, int]
    ) -> None:
        self._reader = reader
        self._superblock = superblock
        self._bitmap = checkpoint.nat_bitmap
        self._journal = journal
        self._per_block = reader.block_size // _ENTRY.size
        self.most = superblock.nat_segments // 2 * BLOCKS_PER_SEGMENT * self._per_block
        """First number that no node can have."""

    def address(self, node: int) -> int:
        """Block of a node, 0 where it is free.

        Raises:
            CorruptStructureError: No such number.
            ReadFailedError: The table cannot be read there.
        """
        found = self._journal.get(node)
        if found is not None:
            return found
        if not 0 < node < self.most:
            raise CorruptStructureError(f"no such node: {node}")
        index, place = divmod(node, self._per_block)
        segment, offset = divmod(index, BLOCKS_PER_SEGMENT)
        block = self._superblock.nat + 2 * segment * BLOCKS_PER_SEGMENT + offset
        if test_bit(self._bitmap, index):
            block += BLOCKS_PER_SEGMENT
        data = self._reader.block(block)
        return int(_ENTRY.unpack_from(data, place * _ENTRY.size)[2])

    def override(self, node: int, address: int) -> None:
        """Let a node lie elsewhere than the table says: it was written after the checkpoint."""
        self._journal[node] = address
