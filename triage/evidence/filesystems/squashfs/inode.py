"""Inodes, basic and extended."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from sys import byteorder

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.squashfs.metadata import Cursor
from triage.model.entry import EntryType

NO_FRAGMENT = NO_XATTR = 0xFFFFFFFF
MAX_BLOCKS = 1 << 24
"""Blocks of a file: 2 TiB at the usual size."""
MAX_LINK = 65_536
_DIRECTORY, _FILE, _LINK = 1, 2, 3
_TYPES = {_DIRECTORY: EntryType.DIRECTORY, _FILE: EntryType.FILE, _LINK: EntryType.SYMLINK}


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode.

    Attributes:
        number: Its number.
        kind: 1 directory, 2 file, 3 symbolic link, 4-7 others.
        user: Index of the owner in the table of numbers.
        modified: Seconds since 1970.
        size: Bytes of the content; of the listing and 3 for a directory.
        start: First data block, or place of the listing in the directory table.
        offset: Offset in the fragment block, or of the listing in its metadata block.
        fragment: Number of the fragment block, ``NO_FRAGMENT`` where there is none.
        sizes: Size of each data block as stored, bit 24 set where it is not compressed.
        target: Where a symbolic link leads.
        xattr: Number of the extended attributes, ``NO_XATTR`` where there are none.
    """

    number: int
    kind: int
    user: int
    modified: int
    size: int
    start: int = 0
    offset: int = 0
    fragment: int = NO_FRAGMENT
    sizes: array[int] | None = None
    target: bytes = b""
    xattr: int = NO_XATTR

    @property
    def entry_type(self) -> EntryType:
        """File, directory, symbolic link, other."""
        return _TYPES.get(self.kind, EntryType.OTHER)


def read_inode(cursor: Cursor, block_size: int) -> Inode:
    """The inode at a cursor, which ends after it.

    Raises:
        EvidenceError: It does not hold or cannot be read.
    """
    kind, _, user, _, modified, number = struct.unpack("<4H2I", cursor.read(16))
    if not 1 <= kind <= 14:
        raise CorruptStructureError(f"inode {number} is of kind {kind}")
    extended, kind = kind > 7, kind - 7 if kind > 7 else kind
    head = (number, kind, user, modified)
    if kind == _DIRECTORY:
        return _read_directory(cursor, head, extended)
    if kind == _FILE:
        return _read_file(cursor, head, extended, block_size)
    if kind == _LINK:
        _, length = struct.unpack("<2I", cursor.read(8))
        if length > MAX_LINK:
            raise CorruptStructureError(f"inode {number} is a link of {length} bytes")
        target = cursor.read(length)
        return Inode(*head, length, target=target, xattr=_xattr(cursor, extended))
    cursor.read(8 if kind in (4, 5) else 4)
    return Inode(*head, 0, xattr=_xattr(cursor, extended))


def _xattr(cursor: Cursor, extended: bool) -> int:
    return int(struct.unpack("<I", cursor.read(4))[0]) if extended else NO_XATTR


def _read_directory(cursor: Cursor, head: tuple[int, int, int, int], extended: bool) -> Inode:
    if not extended:
        start, _, size, offset, _ = struct.unpack("<IIHHI", cursor.read(16))
        return Inode(*head, size, start=start, offset=offset)
    _, size, start, _, indexes, offset, xattr = struct.unpack("<4IHHI", cursor.read(24))
    for _ in range(indexes):
        (name_length,) = struct.unpack_from("<I", cursor.read(12), 8)
        if name_length > 255:
            raise CorruptStructureError(f"inode {head[0]}: the index of the directory does not hold")
        cursor.read(name_length + 1)
    return Inode(*head, size, start=start, offset=offset, xattr=xattr)


def _read_file(cursor: Cursor, head: tuple[int, int, int, int], extended: bool, block_size: int) -> Inode:
    xattr = NO_XATTR
    if extended:
        start, size, _, _, fragment, offset, xattr = struct.unpack("<3Q4I", cursor.read(40))
    else:
        start, fragment, offset, size = struct.unpack("<4I", cursor.read(16))
    count = size // block_size if fragment != NO_FRAGMENT else -(-size // block_size)
    if count > MAX_BLOCKS:
        raise CorruptStructureError(f"inode {head[0]} claims {size} bytes in {count} blocks")
    sizes = array("I")
    sizes.frombytes(cursor.read(4 * count))
    if byteorder == "big":
        sizes.byteswap()
    return Inode(*head, size, start, offset, fragment, sizes, xattr=xattr)
