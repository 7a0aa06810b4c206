"""Blocks of the volume, and the B+trees of allocation groups.

Source: "XFS Algorithms & Data Structures", chapters "Allocation Groups" and "B+trees" (short format).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.xfs import checksum
from triage.evidence.filesystems.xfs.superblock import Geometry
from triage.model.stream import Stream

CACHED_BYTES = 4 << 20
"""Bytes of single blocks that are kept."""
SPARE = 256 << 20
TIMES = 4
"""A listing reads so many bytes of structures, and so many times the volume."""
_HEADER = struct.Struct(">4sHH")
_SHORT, _SHORT_CRC = 16, 56
_SHORT_CRC_FIELD = 52
_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True)
class ShortTree:
    """One kind of B+tree of allocation groups.

    Attributes:
        magics: Of its blocks, version 4 and 5.
        record: Bytes of a record.
        key: Bytes of a key.
        name: In words.
    """

    magics: tuple[bytes, bytes]
    record: int
    key: int
    name: str


FREE_SPACE = ShortTree((b"ABTB", b"AB3B"), 8, 8, "free-space B+tree")
INODES = ShortTree((b"IABT", b"IAB3"), 16, 4, "inode B+tree")


class Blocks:
    """Reads of the volume by block.

    Args:
        stream: Bytes of the volume.
        geometry: Of its file system.
    """

    def __init__(self, stream: Stream, geometry: Geometry) -> None:
        self.stream = stream
        self.geometry = geometry
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._most = max(16, CACHED_BYTES // geometry.block_size)
        self._left = 0
        self.renew()

    @property
    def groups(self) -> range:
        """Allocation groups that begin in the volume; a file system may claim more."""
        group = self.geometry.ag_blocks * self.geometry.block_size
        return range(min(self.geometry.ag_count, -(-self.stream.size // group)))

    def renew(self) -> None:
        """A listing begins: what it may read of structures is counted anew."""
        self._left = SPARE + TIMES * min(self.stream.size, self.geometry.blocks * self.geometry.block_size)

    def spend(self, length: int) -> bool:
        """Count bytes of structures that a listing read; False where it read the volume several times over.

        In a file system that holds, every structure belongs to one file. In one made to hurt, millions share one.
        """
        self._left -= length
        return self._left >= 0

    def read_at(self, offset: int, length: int, what: str) -> bytes:
        """Bytes of the volume, all of them.

        Raises:
            ReadFailedError: They cannot be read, or lie beyond its end.
        """
        data = self.stream.read_at(offset, length) if offset >= 0 else b""
        if len(data) < length:
            hint = "the image may be cut short" if offset >= 0 else ""
            raise ReadFailedError(f"{what} lies beyond the end of the volume: byte {offset}", hint=hint, partial=data)
        return data

    def block(self, number: int, what: str) -> bytes:
        """One block by its number in the file system; the last ones are kept.

        Raises:
            CorruptStructureError: There is no such block.
            ReadFailedError: It cannot be read.
        """
        data = self._cache.get(number)
        if data is not None:
            self._cache.move_to_end(number)
            return data
        offset = self.geometry.block_offset(number)
        if offset < 0:
            raise CorruptStructureError(f"{what}: no such block: {number}")
        data = self.read_at(offset, self.geometry.block_size, what)
        self._cache[number] = data
        if len(self._cache) > self._most:
            self._cache.popitem(last=False)
        return data

    def header(self, ag: int, sector: int, magic: bytes) -> bytes:
        """A header of an allocation group: the sector with that number in it.

        Raises:
            CorruptStructureError: It does not begin like one, or says that it belongs to another group.
            ReadFailedError: It cannot be read.
        """
        geometry = self.geometry
        size = geometry.sector_size
        name = magic.decode("ascii")
        offset = ag * geometry.ag_blocks * geometry.block_size + sector * size
        data = self.read_at(offset, size, f"header {name} of allocation group {ag}")
        if data[:4] != magic:
            raise CorruptStructureError(f"allocation group {ag}: header {name} is not there")
        at = 4 if magic == b"XAFL" else 8
        if int.from_bytes(data[at : at + 4], "big") != ag:
            raise CorruptStructureError(f"allocation group {ag}: header {name} belongs to another group")
        return data

    def short_leaves(
        self, tree: ShortTree, ag: int, root: int, levels: int
    ) -> Iterator[tuple[bytes, int, bytes] | EvidenceError]:
        """Leaves of a B+tree of an allocation group, in order.

        Args:
            tree: Its kind.
            ag: Allocation group.
            root: Block of its root, counted in the group.
            levels: Levels as the header of the group says.

        Yields:
            Records (their bytes, how many, the rest of the block), or an error for each block that does not hold;
            each block once.
        """
        if not 1 <= levels <= _MOST_LEVELS:
            yield CorruptStructureError(f"allocation group {ag}: {tree.name} of {levels} levels")
            return
        stack = [(root, levels - 1)]
        seen: set[int] = set()
        base = ag << self.geometry.ag_block_bits
        while stack:
            within, level = stack.pop()
            what = f"allocation group {ag}: {tree.name}"
            try:
                if within in seen or within >= self.geometry.ag_length(ag):
                    raise CorruptStructureError(f"{what}: block {within} is reached again or is not in the group")
                seen.add(within)
                data = self.block(base | within, what)
                count, start, error = self._check_short(tree, data, level, what, within)
            except EvidenceError as error_:
                yield error_
                continue
            if error is not None:
                yield error
            if level == 0:
                end = start + count * tree.record
                yield data[start:end], count, data[end:]
                continue
            most = (self.geometry.block_size - start) // (tree.key + 4)
            pointers = struct.unpack_from(f">{count}I", data, start + most * tree.key)
            stack += [(pointer, level - 1) for pointer in reversed(pointers)]

    def _check_short(
        self, tree: ShortTree, data: bytes, level: int, what: str, within: int
    ) -> tuple[int, int, CorruptStructureError | None]:
        """Records in a block, where they begin, and what is wrong with its checksum."""
        modern = self.geometry.has_checksums
        start = _SHORT_CRC if modern else _SHORT
        magic, found, count = _HEADER.unpack_from(data)
        most = (len(data) - start) // (tree.key + 4 if level else tree.record)
        if magic != tree.magics[modern] or found != level or count > most:
            raise CorruptStructureError(f"{what}: block {within} does not hold")
        wrong = modern and not checksum.holds(data, _SHORT_CRC_FIELD)
        message = f"{what}: the checksum of block {within} is wrong, it was used as it stands"
        return count, start, CorruptStructureError(message) if wrong else None
