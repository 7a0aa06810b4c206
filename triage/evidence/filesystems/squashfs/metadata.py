"""Metadata blocks: up to 8 KiB each, mostly compressed, read as one stream from a place on."""

from __future__ import annotations

import struct

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.cut_stream import PieceCache
from triage.evidence.filesystems.squashfs.superblock import NONE, Decompress

METADATA_BYTES = 8192
_STORED = 0x8000


class Metadata:
    """Metadata blocks by place.

    Args:
        reader: Bytes of the volume.
        decompress: The algorithm of the file system.
        used: Bytes of the file system.
    """

    def __init__(self, reader: BlockReader, decompress: Decompress, used: int) -> None:
        self._reader = reader
        self._decompress = decompress
        self._used = used
        self._cache = PieceCache(4 << 20)
        self._sizes: dict[int, int] = {}

    def block(self, place: int) -> tuple[bytes, int]:
        """Bytes of the block at a place, and the place of the next.

        Raises:
            EvidenceError: There is none, or it does not hold.
        """
        data = self._cache.get(place, lambda: self._unpack(place))
        return data, place + 2 + (struct.unpack("<H", self._reader.bytes_at(place, 2))[0] & (_STORED - 1))

    def _unpack(self, place: int) -> bytes:
        if not 0 <= place < self._used:
            raise CorruptStructureError(f"a metadata block at {place} lies outside the file system")
        (head,) = struct.unpack("<H", self._reader.bytes_at(place, 2))
        size = head & (_STORED - 1)
        if not 0 < size <= METADATA_BYTES:
            raise CorruptStructureError(f"the metadata block at {place} claims {size} bytes")
        raw = self._reader.bytes_at(place + 2, size)
        return raw if head & _STORED else self._decompress(raw, METADATA_BYTES)

    def cursor(self, place: int, offset: int) -> Cursor:
        """A reader from an offset in the block at a place."""
        return Cursor(self, place, offset)

    def table(self, pointers: int, index: int, entry_bytes: int) -> bytes:
        """One entry of a table whose blocks are found by a list of pointers.

        Args:
            pointers: Where the list lies.
            index: Number of the entry.
            entry_bytes: Bytes of each.

        Raises:
            EvidenceError: There is no such table, or it does not hold.
        """
        if pointers == NONE:
            raise CorruptStructureError("a table that is referred to is not there")
        block, place = divmod(index, METADATA_BYTES // entry_bytes)
        (start,) = struct.unpack("<Q", self._reader.bytes_at(pointers + 8 * block, 8))
        data, _ = self.block(start)
        found = data[place * entry_bytes : (place + 1) * entry_bytes]
        if len(found) < entry_bytes:
            raise CorruptStructureError(f"the table at {pointers} has no entry {index}")
        return found


class Cursor:
    """Reads on through metadata blocks.

    Args:
        metadata: The blocks.
        place: Where the first block lies.
        offset: First byte in it.

    Attributes:
        place: Block that the next byte lies in.
        offset: Its place in the block.
    """

    def __init__(self, metadata: Metadata, place: int, offset: int) -> None:
        self._metadata = metadata
        self.place = place
        self.offset = offset

    def read(self, length: int) -> bytes:
        """The next bytes.

        Raises:
            EvidenceError: A block does not hold, or the offset lies outside it.
        """
        parts: list[bytes] = []
        while length > 0:
            data, following = self._metadata.block(self.place)
            if self.offset > len(data) or not data:
                raise CorruptStructureError(f"offset {self.offset} lies outside the metadata block at {self.place}")
            part = data[self.offset : self.offset + length]
            parts.append(part)
            length -= len(part)
            self.offset += len(part)
            if self.offset == len(data):
                self.place, self.offset = following, 0
        return b"".join(parts)
