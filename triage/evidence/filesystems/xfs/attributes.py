"""Extended attributes: those that users set, with where their values are.

Source: "XFS Algorithms & Data Structures", chapter "Extended Attributes" (short form, leaf, node, remote values).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.xfs import checksum, inode
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.extents import ExtentReader, ForkMap
from triage.evidence.filesystems.xfs.inode import Inode

PREFIX = b"user."
"""What the kernel puts before the names of the user name space."""
MAX_VALUE = 64 << 10
"""Bytes of a value."""
MAX_ATTRIBUTES = 1 << 14
"""Attributes of one file that are listed."""

_LOCAL = 0x01
_OTHER_SPACES = 0x02 | 0x04 | 0x08
_INCOMPLETE = 0x80
_LEAF, _NODE = (0xFBEE, 0x3BEE), (0xFEBE, 0x3EBE)
_CRC_FIELD, _OWNER_FIELD = 12, 48
_REMOTE_MAGIC = b"XARM"
_REMOTE_HEADER = 56
_MAX_BLOCKS = 1 << 12


@dataclass(frozen=True, slots=True)
class Extended:
    """One extended attribute.

    Attributes:
        name: With its prefix.
        size: Bytes of the value.
        value: The value, where it stands beside the name.
        block: Block of the attribute fork where it begins, where it stands elsewhere.
    """

    name: bytes
    size: int
    value: bytes = b""
    block: int = -1


class AttributeReader:
    """Reads extended attributes.

    Args:
        blocks: The volume.
        extents: Reads maps of forks.

    Attributes:
        bytes_read: Bytes of blocks that were read so far.
    """

    def __init__(self, blocks: Blocks, extents: ExtentReader) -> None:
        self._blocks = blocks
        self._geometry = blocks.geometry
        self._extents = extents
        self.bytes_read = 0

    def listing(self, found: Inode) -> tuple[list[Extended], list[str]]:
        """Attributes of the user name space in stored order, and what does not hold, in words."""
        if not found.attribute_fork:
            return [], []
        out: list[Extended] = []
        notes: list[str] = []
        try:
            if found.attribute_format == inode.LOCAL:
                out += self._short(found.attribute_fork, notes)
            elif found.attribute_extents:
                for block in self._leaves(self._map(found), found.number, notes):
                    out += self._leaf(block, notes)
                    if len(out) > MAX_ATTRIBUTES:
                        notes.append(f"more than {MAX_ATTRIBUTES} extended attributes, the rest is not listed")
                        break
            self._check_values(found, out, notes)
        except EvidenceError as error:
            notes.append(f"its extended attributes cannot be read: {error.message}")
        return out[:MAX_ATTRIBUTES], list(dict.fromkeys(notes))

    def value(self, found: Inode, attribute: Extended) -> bytes:
        """The value of an attribute.

        Raises:
            CorruptStructureError: It is not where it should be.
            ReadFailedError: It cannot be read.
        """
        if attribute.block < 0:
            return attribute.value
        size = self._geometry.block_size
        data = self._stored(self._map(found), attribute)
        if not self._geometry.has_checksums:
            return data[: attribute.size]
        room = size - _REMOTE_HEADER
        count = len(data) // size
        parts: list[bytes] = []
        for place in range(0, count * size, size):
            block = data[place : place + size]
            length = int.from_bytes(block[8:12], "big")
            if block[:4] != _REMOTE_MAGIC or length > room:
                message = f"the value of an extended attribute does not hold: inode {found.number}"
                raise ReadFailedError(message, partial=b"".join(parts))
            parts.append(block[_REMOTE_HEADER : _REMOTE_HEADER + length])
        return b"".join(parts)[: attribute.size]

    def _stored(self, where: ForkMap, attribute: Extended) -> bytes:
        """The blocks of a value that stands elsewhere."""
        size = self._geometry.block_size
        count = -(-attribute.size // (size - _REMOTE_HEADER if self._geometry.has_checksums else size))
        start = attribute.block * size
        return RunStream(self._blocks.stream, where.runs, start + count * size).read_at(start, count * size)

    def _check_values(self, found: Inode, listed: list[Extended], notes: list[str]) -> None:
        """Look at the checksums of values that stand elsewhere."""
        size = self._geometry.block_size
        elsewhere = [one for one in listed[:MAX_ATTRIBUTES] if one.block >= 0]
        if not elsewhere or not self._geometry.has_checksums:
            return
        where = self._map(found)
        for one in elsewhere:
            data = self._stored(where, one)
            self.bytes_read += len(data)
            if not all(checksum.holds(data[at : at + size], _CRC_FIELD) for at in range(0, len(data), size)):
                notes.append("the checksum of a value of its extended attributes is wrong, it is used as it stands")

    def _map(self, found: Inode) -> ForkMap:
        form, extents = found.attribute_format, found.attribute_extents
        return self._extents.fork(form, found.attribute_fork, extents, found.number)

    @staticmethod
    def _short(data: bytes, notes: list[str]) -> Iterator[Extended]:
        size = min(int.from_bytes(data[:2], "big"), len(data))
        position = 4
        for _ in range(data[2] if size > 4 else 0):
            if position + 3 > size:
                notes.append("its extended attributes do not hold")
                return
            name_length, length, flags = data[position : position + 3]
            middle = position + 3 + name_length
            position = middle + length
            if position > size:
                notes.append("its extended attributes do not hold")
                return
            if not flags & (_OTHER_SPACES | _INCOMPLETE):
                yield Extended(PREFIX + data[middle - name_length : middle], length, data[middle:position])

    def _leaves(self, where: ForkMap, owner: int, notes: list[str]) -> Iterator[bytes]:
        """Leaf blocks, in order; each block once, without recursion."""
        modern = self._geometry.has_checksums
        size = self._geometry.block_size
        stream = RunStream(self._blocks.stream, where.runs, where.end)
        notes += where.notes
        stack, seen = [0], set[int]()
        while stack:
            number = stack.pop()
            if number in seen or len(seen) > _MAX_BLOCKS:
                notes.append("blocks of its extended attributes are reached again")
                continue
            seen.add(number)
            data = stream.read_at(number * size, size)
            self.bytes_read += size
            magic = int.from_bytes(data[8:10], "big")
            own = not modern or int.from_bytes(data[_OWNER_FIELD : _OWNER_FIELD + 8], "big") == owner
            if len(data) < size or magic not in (_LEAF[modern], _NODE[modern]) or not own:
                notes.append("a block of its extended attributes does not hold")
                continue
            if modern and not checksum.holds(data, _CRC_FIELD):
                notes.append("the checksum of its extended attributes is wrong, they were used as they stand")
            if magic == _LEAF[modern]:
                yield data
                continue
            head = 64 if modern else 16
            count = min(int.from_bytes(data[head - 8 : head - 6] if modern else data[12:14], "big"), (size - head) // 8)
            stack += [before for _, before in reversed(list(struct.iter_unpack(">II", data[head : head + count * 8])))]

    def _leaf(self, data: bytes, notes: list[str]) -> Iterator[Extended]:
        modern = self._geometry.has_checksums
        head, at = (80, 56) if modern else (32, 12)
        count = int.from_bytes(data[at : at + 2], "big")
        if count > (len(data) - head) // 8:
            notes.append("a block of its extended attributes does not hold")
            return
        for _, place, flags, _ in struct.iter_unpack(">IHBB", data[head : head + count * 8]):
            if flags & (_OTHER_SPACES | _INCOMPLETE):
                continue
            try:
                yield self._named(data, place, flags)
            except CorruptStructureError as error:
                notes.append(error.message)

    @staticmethod
    def _named(data: bytes, place: int, flags: int) -> Extended:
        """The attribute that stands at a place in a leaf."""
        if flags & _LOCAL:
            size, length = struct.unpack(">HB", data[place : place + 3].ljust(3, b"\0"))
            middle = place + 3 + length
            if middle + size > len(data):
                raise CorruptStructureError("an extended attribute does not hold")
            return Extended(PREFIX + data[middle - length : middle], size, data[middle : middle + size])
        block, size, length = struct.unpack(">IIB", data[place : place + 9].ljust(9, b"\0"))
        if place + 9 + length > len(data) or size > MAX_VALUE:
            raise CorruptStructureError("an extended attribute does not hold")
        return Extended(PREFIX + data[place + 9 : place + 9 + length], size, b"", block)
