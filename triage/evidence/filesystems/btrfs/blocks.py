"""Tree blocks of Btrfs: read, verified, taken apart.

Source: "On-disk format" of the Btrfs documentation (header, leaf, node) and ``btrfs_tree.h`` of the kernel's user
headers for the layout of fields.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from operator import lt

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.btrfs import checksum
from triage.evidence.filesystems.btrfs.chunks import ChunkMap
from triage.evidence.filesystems.btrfs.superblock import Superblock
from triage.model.problem import Reason
from triage.model.stream import Stream

Key = tuple[int, int, int]
"""Object, type, offset."""
MAX_CACHED = 16 << 20
"""Bytes of tree blocks that are kept."""
MAX_NOTES = 100
_HEADER = 101
_FIELDS = struct.Struct("<16sQQ16sQQIB")
"""From ``fsid`` at 32 to ``level``."""
_ITEM = struct.Struct("<QBQII")
_POINTER = struct.Struct("<QBQQQ")


@dataclass(slots=True)
class Block:
    """One tree block.

    Attributes:
        logical: Its address.
        level: 0 for a leaf.
        generation: Transaction that wrote it.
        keys: Ascending.
        data: The whole of it.
        items: In a leaf: offset in ``data`` and size for each key; in a node: address and generation.
    """

    logical: int
    level: int
    generation: int
    keys: list[Key]
    data: bytes
    items: list[tuple[int, int]]

    def item(self, index: int) -> bytes:
        """Bytes of an item of a leaf.

        Raises:
            CorruptStructureError: It lies outside the block.
        """
        start, size = self.items[index]
        if start + size > len(self.data):
            raise CorruptStructureError(f"item {index} of the tree block at {self.logical} lies outside of it")
        return self.data[start : start + size]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was wrong.

    Attributes:
        words: What.
        helped: Nothing is missing for it.
        reason: Its kind.
    """

    words: str
    helped: bool
    reason: Reason


class AbsentDeviceError(ReadFailedError):
    """Bytes lie on a device that is not there; told once for the whole volume."""


class BlockReader:
    """Reads tree blocks through the chunk map, from the first copy that holds.

    Args:
        volume: The joined devices.
        superblock: For sizes, checksum and UUID.
        chunks: Where logical addresses lie; may grow later.

    Attributes:
        notes: What was wrong and is told with the listing.
    """

    def __init__(self, volume: Stream, superblock: Superblock, chunks: ChunkMap) -> None:
        self._volume = volume
        self._superblock = superblock
        self._chunks = chunks
        self._cache: OrderedDict[tuple[int, int, int], Block] = OrderedDict()
        self._most = max(16, MAX_CACHED // superblock.node_size)
        self.notes: list[Note] = []

    def note(self, words: str, *, helped: bool, reason: Reason = Reason.CORRUPT) -> None:
        """Remember something to be told with the listing; at most a hundred things."""
        note = Note(words, helped, reason)
        if len(self.notes) < MAX_NOTES and note not in self.notes:
            self.notes.append(note)

    def read(self, logical: int, generation: int, level: int) -> Block:
        """A tree block.

        Args:
            logical: Its address.
            generation: What the pointer to it says.
            level: What its place in the tree asks for.

        Raises:
            CorruptStructureError: No copy holds.
            ReadFailedError: No copy can be read.
        """
        key = (logical, generation, level)
        block = self._cache.get(key)
        if block is not None:
            self._cache.move_to_end(key)
            return block
        block = self._read(logical, generation, level)
        self._cache[key] = block
        if len(self._cache) > self._most:
            self._cache.popitem(last=False)
        return block

    def _read(self, logical: int, generation: int, level: int) -> Block:
        first: EvidenceError | None = None
        unproven: bytes | None = None
        for copy in range(self._chunks.copies(logical)):
            try:
                data = self._bytes(logical, copy)
                self._check_header(data, logical, generation, level)
            except EvidenceError as error:
                first = first or error
                continue
            if checksum.holds(self._superblock.checksum, data[:32], data[32:]):
                block = _parse(data, logical)
                if unproven is not None or not isinstance(first, AbsentDeviceError | None):
                    why = first.message if first is not None else "wrong checksum"
                    self.note(f"copy {copy + 1} of the tree block at {logical} was used: {why}", helped=True)
                return block
            unproven = unproven or data
        if unproven is not None:
            block = _parse(unproven, logical)
            self.note(f"the tree block at {logical} has a wrong checksum and was used as it is", helped=False)
            return block
        raise first or CorruptStructureError(f"no copy of the tree block at {logical}")

    def _bytes(self, logical: int, copy: int) -> bytes:
        parts: list[bytes] = []
        for piece in self._chunks.pieces(logical, self._superblock.node_size, copy):
            if piece.place < 0:
                raise AbsentDeviceError(
                    f"the tree block at {logical} lies on device {piece.device}, which is not there",
                    hint="give all devices of the file system",
                )
            data = self._volume.read_at(piece.place, piece.length)
            if len(data) < piece.length:
                raise ReadFailedError(
                    f"the tree block at {logical} lies beyond the end of the volume",
                    hint="the image may be cut short",
                )
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _check_header(self, data: bytes, logical: int, generation: int, level: int) -> None:
        fsid, bytenr, _flags, _uuid, written, _owner, count, found = _FIELDS.unpack_from(data, 32)
        where = f"the tree block at {logical}"
        if bytenr != logical or fsid != self._superblock.fsid:
            raise CorruptStructureError(f"{where} is none of this file system")
        if written != generation:
            raise CorruptStructureError(f"{where} is of generation {written}, not {generation}")
        if found != level:
            raise CorruptStructureError(f"{where} is of level {found}, not {level}")
        size = _ITEM.size if not level else _POINTER.size
        if count > (len(data) - _HEADER) // size:
            raise CorruptStructureError(f"{where} has {count} items, more than fit")


def _parse(data: bytes, logical: int) -> Block:
    """A block whose header holds.

    Raises:
        CorruptStructureError: Its keys are not ascending.
    """
    _fsid, _bytenr, _flags, _uuid, generation, _owner, count, level = _FIELDS.unpack_from(data, 32)
    layout = _POINTER if level else _ITEM
    rows = list(layout.iter_unpack(data[_HEADER : _HEADER + count * layout.size]))
    keys: list[Key] = [row[:3] for row in rows]
    if not all(map(lt, keys, keys[1:])):
        raise CorruptStructureError(f"the keys of the tree block at {logical} are not ascending")
    shift = 0 if level else _HEADER
    return Block(logical, level, generation, keys, data, [(row[3] + shift, row[4]) for row in rows])
