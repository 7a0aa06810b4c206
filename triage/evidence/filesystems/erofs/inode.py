"""Inodes, compact and extended, directories and extended attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.block_reader import BlockReader
from triage.evidence.filesystems.erofs.superblock import Superblock
from triage.model.entry import EntryType
from triage.model.stream import Stream
from triage.model.times import Times

PLAIN, COMPRESSED_FULL, INLINE, COMPRESSED_COMPACT, CHUNKS = range(5)
_TYPES = {0x8: EntryType.FILE, 0x4: EntryType.DIRECTORY, 0xA: EntryType.SYMLINK}
_SLOT = 32
_PREFIXES = {
    1: b"user.",
    2: b"system.posix_acl_access",
    3: b"system.posix_acl_default",
    4: b"trusted.",
    6: b"security.",
}
_XATTR_HEAD = 12
MAX_DIRECTORY = 1 << 28
MAX_BROKEN = 64
"""Blocks of a directory that may be wrong before it is given up."""


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode.

    Attributes:
        number: Its number, which is its place.
        layout: How its content lies: 0-4.
        entry_type: File, directory, symbolic link, other.
        size: Bytes of the content.
        union: First block, count of compressed blocks, or format of the chunks.
        user: Owner.
        times: As stored.
        xattr_at: Where its extended attributes begin.
        body_at: Where what follows them begins: inline data, chunk map or compression index.
    """

    number: int
    layout: int
    entry_type: EntryType
    size: int
    union: int
    user: int
    times: Times
    xattr_at: int
    body_at: int


def read_inode(reader: BlockReader, superblock: Superblock, number: int) -> Inode:
    """The inode of a number.

    Raises:
        EvidenceError: It does not hold or cannot be read.
    """
    place = superblock.inodes + number * _SLOT
    if not number >= 0 or place >= superblock.size:
        raise CorruptStructureError(f"inode {number} lies beyond the file system")
    head = reader.bytes_at(place, 32)
    form, xattrs, mode = struct.unpack_from("<3H", head)
    layout = form >> 1 & 7
    if layout > CHUNKS:
        raise CorruptStructureError(f"inode {number} has data layout {layout}")
    if form & 1:
        head += reader.bytes_at(place + 32, 32)
        size, union, _, user = struct.unpack_from("<Q3I", head, 8)
        seconds, fraction = struct.unpack_from("<qI", head, 32)
    else:
        size, delta, union, _, user = struct.unpack_from("<4IH", head, 8)
        seconds, fraction = superblock.epoch + delta, superblock.epoch_fraction
    xattr_at = place + len(head)
    body_at = xattr_at + (_XATTR_HEAD + 4 * (xattrs - 1) if xattrs else 0)
    times = Times(mtime=seconds * 1_000_000_000 + (fraction if fraction < 1_000_000_000 else 0))
    entry_type = _TYPES.get(mode >> 12, EntryType.OTHER)
    return Inode(number, layout, entry_type, size, union, user, times, xattr_at, body_at)


def names_in(stream: Stream, block_size: int) -> Iterator[tuple[bytes, int] | EvidenceError]:
    """Name and inode number of each entry of a directory; an error for each block that does not hold.

    Args:
        stream: Content of the directory.
        block_size: Bytes in a directory block.
    """
    broken = 0
    for start in range(0, min(stream.size, MAX_DIRECTORY), block_size):
        try:
            yield from _names_in_block(stream.read_at(start, block_size))
        except EvidenceError as error:
            yield error
            broken += 1
            if broken >= MAX_BROKEN:
                yield CorruptStructureError(f"{broken} blocks of the directory do not hold, the rest was not looked at")
                return


def _names_in_block(block: bytes) -> Iterator[tuple[bytes, int]]:
    first = struct.unpack_from("<H", block, 8)[0] if len(block) >= 12 else 0
    if not 12 <= first <= len(block) or first % 12:
        raise CorruptStructureError("a directory block does not hold")
    heads = list(struct.iter_unpack("<QHBB", block[:first]))
    ends = [head[1] for head in heads[1:]] + [len(block)]
    for (number, begin, _, _), end in zip(heads, ends, strict=True):
        if not first <= begin < end <= len(block):
            raise CorruptStructureError("a name in a directory does not hold")
        name = block[begin:end]
        if end == len(block):
            name = name.split(b"\0", 1)[0]
        if not 0 < len(name) <= 255:
            raise CorruptStructureError("a name in a directory does not hold")
        yield name, number


def attributes_of(reader: BlockReader, superblock: Superblock, inode: Inode) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of the extended attributes of an inode, its own and the shared ones.

    Raises:
        EvidenceError: They do not hold or cannot be read.
    """
    area = reader.bytes_at(inode.xattr_at, inode.body_at - inode.xattr_at)
    if len(area) < _XATTR_HEAD:
        return
    count = area[4]
    place = _XATTR_HEAD + 4 * count
    if place > len(area):
        raise CorruptStructureError(f"inode {inode.number}: {count} shared attributes do not fit")
    while place + 4 <= len(area) and area[place : place + 4] != b"\0\0\0\0":
        name, value, length = _attribute(area[place:])
        yield name, value
        place += (length + 3) // 4 * 4
    for index in range(count):
        (shared,) = struct.unpack_from("<I", area, _XATTR_HEAD + 4 * index)
        at = superblock.shared_xattr + 4 * shared
        name_length, _, value_length = struct.unpack("<BBH", reader.bytes_at(at, 4))
        name, value, _ = _attribute(reader.bytes_at(at, 4 + name_length + value_length))
        yield name, value


def _attribute(area: bytes) -> tuple[bytes, bytes, int]:
    """Name, value and length of the attribute at the beginning of an area."""
    name_length, index, value_length = struct.unpack_from("<BBH", area)
    end = 4 + name_length + value_length
    if end > len(area):
        raise CorruptStructureError("an extended attribute does not hold")
    prefix = _PREFIXES.get(index, b"index%d." % index)
    return prefix + area[4 : 4 + name_length], area[4 + name_length : end], end
