"""Directory listings and extended attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.squashfs.inode import Inode
from triage.evidence.filesystems.squashfs.metadata import Metadata
from triage.evidence.filesystems.squashfs.superblock import NONE, Superblock

_MOST_IN_HEAD = 256
MAX_LISTING = 1 << 28
_PREFIXES = (b"user.", b"trusted.", b"security.")
_OUT_OF_LINE = 0x100
MAX_ATTRIBUTES = 4096
MAX_VALUE = 1 << 20


def names_in(
    metadata: Metadata, superblock: Superblock, inode: Inode
) -> Iterator[tuple[bytes, int, int] | EvidenceError]:
    """Name, inode number and reference of each entry; ends with an error where the listing does not hold."""
    left = min(inode.size - 3, MAX_LISTING)
    cursor = metadata.cursor(superblock.directory_table + inode.start, inode.offset)
    try:
        while left >= 12:
            count, start, first = struct.unpack("<3I", cursor.read(12))
            left -= 12
            if count >= _MOST_IN_HEAD:
                raise CorruptStructureError(f"a directory claims {count} names under one head")
            for _ in range(count + 1):
                offset, step, _, length = struct.unpack("<HhHH", cursor.read(8))
                left -= 9 + length
                if length > 255 or left < 0:
                    raise CorruptStructureError("a name in a directory does not hold")
                yield cursor.read(length + 1), (first + step) & 0xFFFFFFFF, start << 16 | offset
    except EvidenceError as error:
        yield error


def attributes_of(
    metadata: Metadata, reader: BlockReader, superblock: Superblock, number: int
) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of the extended attributes of a number.

    Raises:
        EvidenceError: They do not hold or cannot be read.
    """
    if superblock.xattr_table == NONE:
        raise CorruptStructureError("extended attributes that are referred to are not there")
    start, total, _ = struct.unpack("<QII", reader.bytes_at(superblock.xattr_table, 16))
    if number >= total:
        raise CorruptStructureError(f"there are no extended attributes {number}")
    reference, count, _ = struct.unpack("<QII", metadata.table(superblock.xattr_table + 16, number, 16))
    cursor = metadata.cursor(start + (reference >> 16), reference & 0xFFFF)
    for _ in range(min(count, MAX_ATTRIBUTES)):
        kind, length = struct.unpack("<HH", cursor.read(4))
        name = cursor.read(length)
        (size,) = struct.unpack("<I", cursor.read(4))
        if size > MAX_VALUE:
            raise CorruptStructureError(f"an extended attribute claims {size} bytes")
        value = cursor.read(size)
        if kind & _OUT_OF_LINE and size == 8:
            (elsewhere,) = struct.unpack("<Q", value)
            far = metadata.cursor(start + (elsewhere >> 16), elsewhere & 0xFFFF)
            (size,) = struct.unpack("<I", far.read(4))
            if size > MAX_VALUE:
                raise CorruptStructureError(f"an extended attribute claims {size} bytes")
            value = far.read(size)
        kind &= 0xFF
        prefix = _PREFIXES[kind] if kind < len(_PREFIXES) else b"index%d." % kind
        yield prefix + name, value
